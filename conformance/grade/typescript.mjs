// The official TypeScript client: reveille grade -- node conformance/grade/typescript.mjs
// It is found beside the file that REVEILLE_NODE_MODULES names, or from the working directory.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(process.env.REVEILLE_NODE_MODULES ?? `${process.cwd()}/`);
const { SandboxInstance } = require("@blaxel/core");

async function good(answer) {
  const response = await answer;
  assert.ok(response.ok, `status ${response.status}`);
  return response.json();
}

const box = await SandboxInstance.get("box");
const operations = {
  list: async () => assert.ok((await box.drives.list()).length > 0, "no drives"),
  fetch: () => good(box.fetch(3000, "/page")),
  exec: async () => assert.equal((await box.process.exec({ command: "true", waitForCompletion: true })).exitCode, 0),
  post: () => good(box.fetch(3000, "/orders", { method: "POST", body: "{}" })),
  put: () => good(box.fetch(3000, "/orders/1", { method: "PUT", body: "{}" })),
};
await operations[process.env.GRADE_OPERATION]();
// Connections that are kept do not keep the program.
process.exit(0);
