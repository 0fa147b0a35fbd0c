// The official TypeScript client's sandbox object against a host, every method once, as a user would.
//
// The environment says where the host is: BL_API_URL, BL_RUN_URL, BL_API_KEY, BL_WORKSPACE, BL_DISABLE_H2=true.
// Ends as statements.mjs says.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { SandboxInstance } from "@blaxel/core";

import { carryOut, eventually, run, statement } from "./statements.mjs";

const name = `scenario-${run}`;
const text = async (blob) => Buffer.from(await blob.arrayBuffer());

const box = await SandboxInstance.createIfNotExists({
  name,
  labels: { run },
  envs: [{ name: "GREETING", value: "hello" }],
});

statement("it is found and listed", async () => {
  assert.equal((await SandboxInstance.get(name)).metadata.name, name);
  const page = await SandboxInstance.list({ limit: 200 });
  const all = Array.isArray(page) ? page : page.data;
  assert.ok(all.some((found) => found.metadata.name === name));
  assert.equal((await SandboxInstance.createIfNotExists({ name })).metadata.name, name);
  await assert.rejects(SandboxInstance.create({ name }));
  await assert.rejects(SandboxInstance.get(`missing-${run}`));
});

statement("its record changes", async () => {
  const changed = await SandboxInstance.updateMetadata(name, { labels: { more: "yes" } });
  assert.equal(changed.metadata.labels.more, "yes");
  assert.equal((await SandboxInstance.updateTtl(name, "1h")).spec.runtime.ttl, "1h");
  const lifecycle = { expirationPolicies: [{ type: "ttl-max-age", value: "2h", action: "delete" }] };
  assert.equal((await SandboxInstance.updateLifecycle(name, lifecycle)).spec.lifecycle.expirationPolicies.length, 1);
});

statement("a command runs to its end", async () => {
  const done = await box.process.exec({ command: "echo $GREETING; echo oops >&2; exit 3", waitForCompletion: true });
  assert.deepEqual([done.exitCode, done.stdout, done.stderr, done.status], [3, "hello\n", "oops\n", "failed"]);
});

statement("a command is told while it runs", async () => {
  const lines = [];
  const done = await box.process.exec({
    command: "for i in 1 2 3; do echo line $i; sleep 0.1; done",
    waitForCompletion: true,
    onLog: (line) => lines.push(line.trim()),
  });
  assert.equal(done.exitCode, 0);
  assert.deepEqual(lines, ["line 1", "line 2", "line 3"]);
});

statement("a process is found, waited for, stopped and killed", async () => {
  const started = await box.process.exec({ name: `slow-${run}`, command: "sleep 300" });
  assert.equal((await box.process.get(started.pid)).name, `slow-${run}`);
  assert.ok((await box.process.list()).some((process) => process.name === started.name));
  await box.process.stop(started.name);
  assert.notEqual((await box.process.wait(started.name, { maxWait: 20000, interval: 100 })).status, "running");
  const killed = await box.process.exec({ command: "sleep 300" });
  await box.process.kill(killed.name);
  assert.equal((await box.process.wait(killed.name, { maxWait: 20000, interval: 100 })).status, "killed");
  await assert.rejects(box.process.get(`missing-${run}`));
});

statement("a process reads its input", async () => {
  const reader = await box.process.exec({ name: `reader-${run}`, command: "cat", stdin: true });
  await box.process.writeStdin(reader.name, "over the wire\n");
  await box.process.closeStdin(reader.name);
  await box.process.wait(reader.name, { maxWait: 20000, interval: 100 });
  assert.equal(await box.process.logs(reader.name, "stdout"), "over the wire\n");
});

statement("logs are followed", async () => {
  const lines = [];
  await box.process.exec({ name: `talker-${run}`, command: "for i in 1 2 3; do echo said $i; sleep 0.2; done" });
  const stream = box.process.streamLogs(`talker-${run}`, { onLog: (line) => lines.push(line.trim()) });
  await eventually("all lines have come", () => lines.length >= 3);
  stream.close();
  assert.deepEqual(lines, ["said 1", "said 2", "said 3"]);
});

statement("a start waits for its port, and a fetch reaches it", async () => {
  const command = "python3 -m http.server 3000 --bind 0.0.0.0";
  await box.process.exec({ name: `web-${run}`, command, waitForPorts: [3000], timeout: 60 });
  const page = await box.fetch(3000, "/");
  assert.equal(page.status, 200);
  assert.match(await page.text(), /Directory listing/);
  assert.equal((await box.network.fetch(3000, "/missing")).status, 404);
  assert.equal((await box.fetch(3000, "/", { method: "POST", body: "x" })).status, 501);
});

statement("files are written, read and removed", async () => {
  const root = `/tmp/files-${run}`;
  await box.fs.mkdir(root);
  await box.fs.write(`${root}/a text.txt`, "text with ümlaut");
  assert.equal(await box.fs.read(`${root}/a text.txt`), "text with ümlaut");
  const blob = randomBytes(100_000);
  await box.fs.writeBinary(`${root}/blob`, blob);
  assert.ok(blob.equals(await text(await box.fs.readBinary(`${root}/blob`))));
  const large = randomBytes(12 << 20);
  await box.fs.writeBinary(`${root}/large`, large);
  assert.ok(large.equals(await text(await box.fs.readBinary(`${root}/large`))));
  const here = join(tmpdir(), `download-${run}`);
  await box.fs.download(`${root}/blob`, here);
  assert.ok(blob.equals(await readFile(here)));
  await unlink(here);
  await box.fs.writeTree([{ path: "src/main.py", content: "print('hi')" }, { path: "README.md", content: "# App" }], root);
  const listed = await box.fs.ls(root);
  assert.deepEqual(listed.subdirectories.map((directory) => directory.name), ["src"]);
  assert.deepEqual(listed.files.map((file) => file.name).sort(), ["README.md", "a text.txt", "blob", "large"]);
  await box.fs.cp(`${root}/src`, `${root}/copy`);
  assert.equal(await box.fs.read(`${root}/copy/main.py`), "print('hi')");
  await assert.rejects(box.fs.rm(root));
  await box.fs.rm(root, true);
  await assert.rejects(box.fs.ls(root));
});

statement("files are found", async () => {
  const root = `/tmp/find-${run}`;
  await box.fs.writeTree([{ path: "deep/er/needle.rs", content: "fn needle() {}\n" }, { path: "hay.txt", content: "hay\n" }], root);
  const found = await box.fs.find(root, { type: "file", patterns: ["*.rs"] });
  assert.deepEqual(found.matches.map((match) => match.path), ["deep/er/needle.rs"]);
  const grepped = await box.fs.grep("needle", root, { filePattern: "*.rs" });
  assert.equal(grepped.matches.length, 1);
  // This version of the client leaves out what it searches for, so there is nothing to find.
  assert.ok(Array.isArray((await box.fs.search("needle", root)).matches));
});

statement("changes are watched", async () => {
  const root = `/tmp/watch-${run}`;
  const seen = [];
  await box.fs.mkdir(root);
  const watch = box.fs.watch(`${root}/**`, (event) => seen.push(event));
  // The client has no way to say that it listens; what is missed is written again.
  await eventually("a change is told", async () => {
    await box.fs.write(`${root}/file.txt`, String(Date.now()));
    return seen.some((event) => event.name === "file.txt");
  });
  watch.close();
});

statement("drives are mounted and unmounted", async () => {
  const driveName = `drive-${run}`;
  await box.drives.mount({ driveName, mountPath: "/mnt/data" });
  assert.deepEqual((await box.drives.list()).map((mount) => mount.mountPath), ["/mnt/data"]);
  await box.fs.write("/mnt/data/kept", "kept");
  await box.drives.unmount("/mnt/data");
  assert.equal((await box.drives.list()).length, 0);
  await assert.rejects(box.fs.read("/mnt/data/kept"));
});

statement("previews open a port", async () => {
  const open = { metadata: { name: "public" }, spec: { port: 3000, public: true } };
  const preview = await box.previews.createIfNotExists(open);
  assert.match(preview.spec.url, /preview/);
  assert.match(await (await fetch(preview.spec.url)).text(), /Directory listing/);
  const shut = await box.previews.create({ metadata: { name: "private" }, spec: { port: 3000, public: false } });
  assert.ok([401, 403].includes((await fetch(shut.spec.url)).status));
  const token = await shut.tokens.create(new Date(Date.now() + 600_000));
  assert.equal((await fetch(shut.spec.url, { headers: { "X-Blaxel-Preview-Token": token.value } })).status, 200);
  assert.equal((await shut.tokens.list()).length, 1);
  await box.previews.delete("private");
  await box.previews.delete("public");
});

statement("sessions reach the sandbox", async () => {
  const session = await box.sessions.create();
  const through = await SandboxInstance.fromSession(session);
  assert.equal((await through.process.exec({ command: "echo through", waitForCompletion: true })).stdout, "through\n");
  await box.sessions.delete(session.name);
});

statement("schedules are kept and carried out", async () => {
  const weekly = { type: "cron", value: "0 8 * * 1-5", input: { command: "true" } };
  const made = await box.schedules.create(weekly);
  assert.ok((await box.schedules.list()).data.some((found) => found.id === made.id));
  const moved = await box.schedules.update(made.id, { ...weekly, value: "30 9 * * 1-5" });
  assert.equal(moved.value, "30 9 * * 1-5");
  assert.equal((await box.schedules.get(made.id)).value, "30 9 * * 1-5");
  await box.schedules.delete(made.id);
  const once = await box.schedules.create({ type: "sleep", value: "1s", input: { command: "echo by the clock" } });
  assert.equal(once.type, "at");
  await eventually("it is carried out", async () => (await box.schedules.executions()).data.length > 0);
  const [execution] = (await box.schedules.executions()).data;
  assert.deepEqual([execution.scheduleId, execution.status], [once.id, "succeeded"]);
  assert.equal((await box.process.wait(execution.processName)).logs, "by the clock\n");
  assert.equal((await box.schedules.list()).data.length, 0);
});

statement("its system is asked", async () => {
  // This version of the client has no health.
  const upgrades = async () => {
    const headers = { authorization: `Bearer ${process.env.BL_API_KEY}` };
    const url = `${process.env.BL_RUN_URL}/${process.env.BL_WORKSPACE}/sandboxes/${name}/health`;
    return (await (await fetch(url, { headers })).json()).upgradeCount;
  };
  const before = await upgrades();
  await box.system.upgrade();
  await eventually("it has upgraded itself", async () => (await upgrades()) === before + 1);
});

statement("snapshots are taken and restored", async () => {
  await box.fs.write("/blaxel/state", "before");
  const snapshot = await box.snapshot(`snap-${run}`);
  await box.fs.write("/blaxel/state", "after");
  assert.ok((await box.listSnapshots()).some((found) => found.id === snapshot.id));
  await box.restore(snapshot.id);
  await eventually("the files are those of before", async () => (await box.fs.read("/blaxel/state")) === "before");
  await box.deleteSnapshot(snapshot.id);
});

statement("it is deleted", async () => {
  await box.delete();
  await eventually("it is gone", async () => {
    const found = await SandboxInstance.get(name).catch(() => null);
    return found === null || ["TERMINATED", "DELETING"].includes(found.status);
  });
});

await carryOut();
