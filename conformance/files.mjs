// Every method of the official TypeScript client on the files of a sandbox, against the URL of a sandbox.
//
//     REVEILLE_SANDBOX_URL=... REVEILLE_KEY=... REVEILLE_WORKSPACE=... node files.mjs
//
// Needs the package @blaxel/core (0.3.21), in node_modules of the directory it is started in, or beside the file that
// REVEILLE_NODE_MODULES names. Ends with "ok", or with the assertion that does not hold.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const from = process.env.REVEILLE_NODE_MODULES ?? `${process.cwd()}/`;
const { SandboxInstance } = createRequire(from)("@blaxel/core");

const headers = {
  "X-Blaxel-Authorization": `Bearer ${process.env.REVEILLE_KEY}`,
  "X-Blaxel-Workspace": process.env.REVEILLE_WORKSPACE,
};
const sandbox = new SandboxInstance({
  metadata: { name: "box" },
  spec: {},
  forceUrl: process.env.REVEILLE_SANDBOX_URL,
  headers,
});
const { fs } = sandbox;
const root = `/tmp/files-js-${randomBytes(4).toString("hex")}`;

await fs.mkdir(root);
await fs.write(`${root}/a.txt`, "hello\n");
assert.equal(await fs.read(`${root}/a.txt`), "hello\n");
const bytes = async (path) => Buffer.from(await (await fs.readBinary(path)).arrayBuffer());
const content = Buffer.from(Array.from({ length: 256 }, (_, at) => at));
await fs.writeBinary(`${root}/b.bin`, content);
assert.ok((await bytes(`${root}/b.bin`)).equals(content));
const large = randomBytes(12 * 1024 * 1024 + 5);
await fs.writeBinary(`${root}/large.bin`, large);
assert.ok((await bytes(`${root}/large.bin`)).equals(large));
const here = await mkdtemp(join(tmpdir(), "reveille-"));
await fs.download(`${root}/b.bin`, join(here, "b.bin"));
assert.ok((await readFile(join(here, "b.bin"))).equals(content));
await fs.writeTree([{ path: "src/main.rs", content: "fn main() {}\n" }, { path: "README.md", content: "# main\n" }], `${root}/t`);
const listed = await fs.ls(`${root}/t`);
assert.deepEqual(listed.files.map((file) => file.name), ["README.md"]);
assert.deepEqual(listed.subdirectories.map((directory) => directory.name), ["src"]);
const found = await fs.find(`${root}/t`, { patterns: ["*.rs"] });
assert.deepEqual(found.matches.map((match) => match.path), ["src/main.rs"]);
const lines = await fs.grep("main", `${root}/t`);
assert.deepEqual(lines.matches.map((match) => [match.path, match.line]).sort(), [["README.md", 1], ["src/main.rs", 1]]);
const near = await fs.search("mainrs", `${root}/t`);
assert.ok(Array.isArray(near.matches));
await fs.cp(`${root}/t`, `${root}/copy`);
assert.equal(await fs.read(`${root}/copy/src/main.rs`), "fn main() {}\n");

await fs.mkdir(`${root}/w`);
const seen = [];
const watch = fs.watch(`${root}/w/**`, (event) => void seen.push(event), { withContent: true, ignore: ["skipped"] });
for (let left = 100; left > 0 && !seen.some((event) => event.name === "end"); left -= 1) {
  await fs.write(`${root}/w/skipped`, "x");
  await fs.write(`${root}/w/end`, "x");
  await new Promise((done) => setTimeout(done, 100));
}
watch.close();
assert.ok(seen.some((event) => event.name === "end") && !seen.some((event) => event.name === "skipped"));

await assert.rejects(fs.read(`${root}/no`));
await fs.rm(`${root}/a.txt`);
await fs.rm(root, true);
console.log("ok");
process.exit(0);
