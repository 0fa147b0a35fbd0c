// The way out of sandboxes, as the official TypeScript client says it: lists of names, methods and paths, routes and secrets.
// What is reached is a preview of the host's own, by https from inside, so that nothing here needs the internet.
//
// The environment says where the host is, as for scenario.mjs.

import assert from "node:assert/strict";

import { SandboxInstance } from "@blaxel/core";

import { carryOut, eventually, named, statement } from "./statements.mjs";

const image = "blaxel/base-image:latest";
const region = "us-pdx-1";

/** Says what it was asked. */
const ECHO = `
import http.server, json
class Echo(http.server.BaseHTTPRequestHandler):
    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        said = json.dumps({"headers": {k.lower(): v for k, v in self.headers.items()}, "body": body.decode()}).encode()
        self.send_response(200); self.send_header("content-length", str(len(said))); self.end_headers(); self.wfile.write(said)
    do_GET = do_POST = do_DELETE = answer
http.server.ThreadingHTTPServer(("", 8080), Echo).serve_forever()
`;

const echo = await SandboxInstance.create({ name: named("echo"), image, region, ports: [{ target: 8080 }] });
await echo.fs.write("/tmp/echo.py", ECHO);
await echo.process.exec({ name: "echo", command: "python3 /tmp/echo.py", waitForPorts: [8080] });
const preview = await echo.previews.create({ metadata: { name: "echo" }, spec: { port: 8080, public: true } });
const url = preview.spec.url.replace("http:", "https:");
const { hostname, pathname } = new URL(url);

/** A sandbox with this network, and what it gets to see of a path. */
async function behind(network) {
  const sandbox = await SandboxInstance.create({ name: named("behind"), image, region, network });
  const ask = async (method, path, body) => {
    const options = body ? `-H 'content-type: application/json' -d '${JSON.stringify(body)}'` : "";
    const seen = await sandbox.process.exec({
      command: `curl -sS --path-as-is --noproxy '' --cacert /run/reveille/certificates/bundle.pem -w '\n%{http_code}' `
        + `-H 'x-mine: {{SECRET:key}} {{SECRET:other}}' ${options} -X ${method} '${path.startsWith("https") ? path : url + path}'`,
      waitForCompletion: true,
    });
    const [said, status] = [seen.stdout.slice(0, -4), Number(seen.stdout.slice(-3))];
    return seen.exitCode === 0 && status === 200 ? { status, ...JSON.parse(said) } : { status, blocked: true };
  };
  return { sandbox, ask };
}

statement("a name that is not allowed is not reached, until it is", async () => {
  const { sandbox, ask } = await behind({ forbiddenDomains: [hostname], proxy: { routing: [] } });
  const { name } = sandbox.metadata;
  await sandbox.fs.write("/tmp/file", "kept");
  assert.ok((await ask("GET", "/")).blocked);
  const network = { allowedDomains: [hostname], proxy: { routing: [], bypass: ["*.s3.amazonaws.com"] } };
  const updated = (await SandboxInstance.updateNetwork(name, { network })).spec.network;
  assert.deepEqual([updated.allowedDomains, updated.forbiddenDomains], [[hostname], undefined]);
  await eventually("it is reached", async () => (await ask("GET", "/")).status === 200);
  assert.ok((await ask("GET", "https://example.com/")).blocked);
  const without = (await SandboxInstance.updateNetwork(name, { network: undefined })).spec.network;
  assert.deepEqual([without?.allowedDomains, without?.proxy], [undefined, undefined]);
  assert.equal(await (await SandboxInstance.get(name)).fs.read("/tmp/file"), "kept");
  await sandbox.delete();
});

statement("methods and paths of a name are allowed one by one", async () => {
  const at = hostname + pathname;
  const allowedDomains = [`GET:POST:${at}/m-*`, `!POST:${at}/n-*`, `get:${at}/c-*`, `${at}/prefix/`];
  const { sandbox, ask } = await behind({ allowedDomains, forbiddenDomains: [`${at}/prefix/secret`], proxy: { routing: [] } });
  for (const [method, path, status] of [
    ["GET", "/m-ok", 200], ["POST", "/m-ok", 200], ["DELETE", "/m-ok", 403], ["GET", "/c-x", 200],
    ["GET", "/n-x", 200], ["POST", "/n-x", 403], ["GET", "/unmatched", 403],
    ["GET", "/prefix/file?sig=1", 200], ["GET", "/prefix", 403], ["GET", "//prefix//file", 200],
    ["GET", "/prefix/../unmatched", 403], ["GET", "/prefix/secret/key", 403], ["GET", "/prefix/x/../secret/key", 403],
  ]) {
    assert.equal((await ask(method, path)).status, status, `${method} ${path}`);
  }
  await sandbox.delete();
});

statement("routes add headers, fields and secrets, which nobody is shown", async () => {
  const routing = [
    {
      destinations: [hostname],
      headers: { "X-Key": "Bearer {{SECRET:key}}", "X-Both": "{{SECRET:key}}-{{SECRET:more}}" },
      body: { added: "with {{SECRET:more}}" },
      secrets: { key: "sk-1", more: "sk-2" },
    },
    { destinations: ["*.example.com"], headers: { "X-Other": "{{SECRET:other}}" }, secrets: { other: "sk-3" } },
  ];
  const { sandbox, ask } = await behind({ proxy: { routing } });
  const { name } = sandbox.metadata;
  const { headers, body } = await ask("POST", "/", { mine: "{{SECRET:key}}" });
  assert.deepEqual([headers["x-key"], headers["x-both"], headers["x-other"]], ["Bearer sk-1", "sk-1-sk-2", undefined]);
  assert.equal(headers["x-mine"], "sk-1 {{SECRET:other}}", "a secret of another route stays a word");
  assert.deepEqual(JSON.parse(body), { mine: "sk-1", added: "with sk-2" });
  assert.ok(!JSON.stringify((await SandboxInstance.get(name)).spec).includes("sk-"));
  const network = { proxy: { routing: [{ destinations: [hostname], headers: { "X-Key": "changed" } }] } };
  await SandboxInstance.updateNetwork(name, { network });
  const changed = (await ask("GET", "/")).headers;
  assert.deepEqual([changed["x-key"], changed["x-both"]], ["changed", undefined]);
  await sandbox.delete();
});

await carryOut();
