// Lives of sandboxes as the official TypeScript client sees them: names, races, records, previews, processes at their edges.
//
// The environment says where the host is, as for scenario.mjs.

import assert from "node:assert/strict";

import {
  SandboxInstance, createSandbox, getSandboxByExternalId, listSandboxes, updateSandbox,
} from "@blaxel/core";

import { carryOut, eventually, named, rejected, statement } from "./statements.mjs";

const image = "blaxel/base-image:latest";
const region = "us-pdx-1";
const gone = (name) => eventually(`${name} is gone`, () => SandboxInstance.get(name).then(() => false, () => true));
const done = (sandbox, command) => sandbox.process.exec({ command, waitForCompletion: true });

statement("who makes one name at once makes one sandbox", async () => {
  const name = named("once");
  const all = await Promise.all(Array.from({ length: 5 }, () => SandboxInstance.createIfNotExists({ name, image, region })));
  assert.deepEqual([...new Set(all.map((made) => made.metadata.createdAt))].length, 1);
  assert.equal((await done(all[0], "echo there")).logs, "there\n");
  const other = await SandboxInstance.createIfNotExists({ name, image: "blaxel/node:latest", memory: 8192, region: "us-was-1" });
  assert.deepEqual([other.spec.runtime.image, other.spec.region], [image, region], "what is there stays as it is");
  const refused = await rejected(SandboxInstance.create({ name, image, region }));
  assert.deepEqual([refused.code, refused.status_code], ["SANDBOX_ALREADY_EXISTS", 409]);
  await other.delete();
});

statement("one that is deleted can be made again at once", async () => {
  const name = named("again");
  for (let round = 0; round < 3; round += 1) {
    await SandboxInstance.create({ name, image, region });
    const [, ...made] = await Promise.allSettled([
      SandboxInstance.delete(name),
      ...Array.from({ length: 5 }, () => SandboxInstance.createIfNotExists({ name, image, region })),
    ]);
    assert.deepEqual(made.filter((one) => one.status === "rejected"), []);
    await SandboxInstance.delete(name).catch(() => {});
    await gone(name);
  }
});

statement("an external id leads to the newest that lives", async () => {
  const externalId = named("id");
  const found = () => getSandboxByExternalId({ path: { externalId } });
  const make = (name) => createSandbox({ body: { metadata: { name, externalId }, spec: { runtime: { image }, region } } });
  assert.equal((await found()).response.status, 404);
  const names = [named("ext"), named("ext")];
  for (const name of names) {
    assert.equal((await make(name)).response.status, 200);
    assert.equal((await found()).data.metadata.name, name);
  }
  const listed = (await listSandboxes({ query: { externalId }, throwOnError: true })).data;
  assert.equal((Array.isArray(listed) ? listed : listed.data).length, 2);
  for (const name of names) {
    await SandboxInstance.delete(name);
    await gone(name);
  }
  assert.equal((await found()).response.status, 404);
  for (const wrong of ["x".repeat(65), "two words!"]) {
    const body = { metadata: { name: named("ext"), externalId: wrong }, spec: { runtime: { image }, region } };
    assert.equal((await createSandbox({ body })).response.status, 400, wrong);
  }
});

statement("records change around what runs, and another environment starts it anew", async () => {
  const sandbox = await SandboxInstance.create({
    name: named("kept"), image, region, ttl: "10m", extraArgs: { iptables: "enabled" },
    envs: [{ name: "WHICH", value: "first" }],
  });
  const { name } = sandbox.metadata;
  await sandbox.fs.write("/tmp/file", "kept");
  await SandboxInstance.updateMetadata(name, { labels: { more: "yes" }, displayName: "Kept" });
  await SandboxInstance.updateTtl(name, "20m");
  await SandboxInstance.updateLifecycle(name, { expirationPolicies: [{ type: "ttl-idle", value: "10m", action: "delete" }] });
  const now = await SandboxInstance.get(name);
  assert.deepEqual([now.status, now.metadata.displayName, now.spec.runtime.extraArgs.iptables], ["DEPLOYED", "Kept", "enabled"]);
  assert.equal(await now.fs.read("/tmp/file"), "kept");
  const runtime = { ...now.spec.runtime, envs: [{ name: "WHICH", value: "second" }] };
  await updateSandbox({
    path: { sandboxName: name }, body: { metadata: now.metadata, spec: { ...now.spec, runtime } }, throwOnError: true,
  });
  await eventually("it is there again", async () => (await SandboxInstance.get(name)).status === "DEPLOYED");
  assert.equal((await done(now, "echo $WHICH")).stdout, "second\n");
  await rejected(now.fs.read("/tmp/file"));
  await now.delete();
});

statement("one that is switched off and on is as new, with what belongs to it", async () => {
  const sandbox = await SandboxInstance.create({
    name: named("reset"), image, region, ports: [{ target: 3000 }], envs: [{ name: "WHICH", value: "kept" }],
  });
  const { name, createdAt } = sandbox.metadata;
  const boot = async () => (await done(sandbox, "cat /proc/sys/kernel/random/boot_id")).stdout;
  const enable = async (enabled) => {
    const now = await SandboxInstance.get(name);
    const body = { metadata: now.metadata, spec: { ...now.spec, enabled } };
    return (await updateSandbox({ path: { sandboxName: name }, body, throwOnError: true })).data;
  };
  await sandbox.fs.write("/tmp/file", "gone");
  const preview = await sandbox.previews.create({ metadata: { name: "web" }, spec: { port: 3000, public: false } });
  const token = await preview.tokens.create(new Date(Date.now() + 600_000));
  const before = await boot();
  assert.ok(["DEACTIVATING", "DEACTIVATED"].includes((await enable(false)).status));
  await enable(true);
  await eventually("it is there again", async () => (await SandboxInstance.get(name)).status === "DEPLOYED");
  assert.notEqual(await boot(), before);
  await rejected(sandbox.fs.read("/tmp/file"));
  assert.equal((await done(sandbox, "echo $WHICH")).stdout, "kept\n");
  assert.equal((await SandboxInstance.get(name)).metadata.createdAt, createdAt);
  const tokens = await (await sandbox.previews.get("web")).tokens.list();
  assert.deepEqual(tokens.map((found) => found.value), [token.value]);
  await sandbox.delete();
});

statement("variables arrive as they are, whatever they hold", async () => {
  const values = ["", " ends in spaces ", "a\nb\tc\rd", "\"double\" and 'single'", "$HOME `id` \\ a=b;c|d&e", "世界 🌍"];
  const envs = Array.from({ length: 120 }, (_, at) => ({ name: `VALUE_${at}`, value: values[at % values.length] + at }));
  envs.push({ name: "NOTHING", value: "" });
  const sandbox = await SandboxInstance.create({ name: named("envs"), image, region, envs });
  for (const { name, value } of envs.slice(-7)) {
    assert.equal((await done(sandbox, `printenv ${name}`)).logs, `${value}\n`);
  }
  assert.equal((await done(sandbox, "printenv | grep -c ^VALUE_")).logs, "120\n");
  await sandbox.delete();
});

statement("a stream tells of both outputs, and one that is closed tells no more", async () => {
  const sandbox = await SandboxInstance.create({ name: named("said"), image, region });
  const seen = { all: [], out: [], err: [] };
  await sandbox.process.exec({ name: "both", command: "for i in 1 2 3; do echo out $i; sleep 0.1; done; echo err >&2" });
  const stream = sandbox.process.streamLogs("both", {
    onLog: (line) => seen.all.push(line), onStdout: (line) => seen.out.push(line), onStderr: (line) => seen.err.push(line),
  });
  await eventually("all has come", () => seen.all.length === 4);
  stream.close();
  assert.deepEqual([seen.out, seen.err], [["out 1", "out 2", "out 3"], ["err"]]);
  const again = await sandbox.process.exec({ command: "exit 1", restartOnFailure: true, maxRestarts: 3, waitForCompletion: true });
  assert.equal(again.restartCount, 3);
  await sandbox.process.exec({ name: "slow", command: "sleep 120", keepAlive: true, timeout: 1 });
  await eventually("its time is over", async () => (await sandbox.process.get("slow")).status !== "running");
  await sandbox.process.exec({ name: "deaf", command: "sleep 60" });
  assert.match((await rejected(sandbox.process.writeStdin("deaf", "x"))).message, /409|stdin/);
  assert.match((await rejected(sandbox.process.wait("deaf", { maxWait: 300, interval: 50 }))).message, /did not finish/);
  await sandbox.delete();
});

statement("many read one file at once, and a change is watched with its content", async () => {
  const sandbox = await SandboxInstance.create({ name: named("files"), image, region });
  const content = "a".repeat(200 << 10);
  await sandbox.fs.write("/tmp/read", content);
  const read = await Promise.all(Array.from({ length: 100 }, () => sandbox.fs.read("/tmp/read")));
  assert.ok(read.every((text) => text === content));
  const told = [];
  await sandbox.fs.mkdir("/tmp/watched");
  const watch = sandbox.fs.watch("/tmp/watched", (event) => told.push(event.content), { withContent: true });
  await eventually("it is told", async () => {
    await sandbox.fs.write("/tmp/watched/file", "the content");
    return told.includes("the content");
  });
  watch.close();
  await sandbox.delete();
});

statement("a preview opens its port, to many tokens or to all, and no other port", async () => {
  const sandbox = await SandboxInstance.create({ name: named("seen"), image, region, ports: [{ target: 3000 }] });
  await sandbox.process.exec({ command: "python3 -m http.server 3000", waitForPorts: [3000] });
  const open = (name, spec) => sandbox.previews.create({ metadata: { name }, spec: { port: 3000, ...spec } });
  await rejected(open("none", { port: 15500, public: true }));
  const shut = await open("shut", { public: false });
  const ends = new Date(Date.now() + 600_000);
  const tokens = await Promise.all(Array.from({ length: 15 }, () => shut.tokens.create(ends)));
  assert.equal(new Set((await shut.tokens.list()).map((token) => token.value)).size, 15);
  const visit = async (token) => (await fetch(`${shut.spec.url}?bl_preview_token=${token.value}`)).status;
  await shut.tokens.delete(tokens[0].value);
  assert.deepEqual([await visit(tokens[0]), await visit(tokens[1])], [401, 200]);
  await sandbox.previews.delete("shut");
  await open("shut", { public: true, responseHeaders: { "Access-Control-Allow-Origin": "*" } });
  const seen = await fetch(shut.spec.url, { headers: { origin: "https://example.com" } });
  assert.deepEqual([seen.status, seen.headers.get("access-control-allow-origin")], [200, "*"]);
  assert.match((await open("own", { public: true, prefixUrl: named("own") })).spec.url, /own-/);
  await sandbox.delete();
});

statement("a session lists files, follows logs, and ends", async () => {
  const sandbox = await SandboxInstance.create({ name: named("session"), image, region });
  const session = await sandbox.sessions.create({ expiresAt: new Date(Date.now() + 600_000) });
  const through = await SandboxInstance.fromSession(session);
  assert.ok((await through.fs.ls("/")).subdirectories.length > 0);
  const lines = [];
  await through.process.exec({ name: "said", command: "echo one; sleep 0.1; echo two" });
  const stream = through.process.streamLogs("said", { onLog: (line) => lines.push(line) });
  await eventually("both have come", () => lines.length === 2);
  stream.close();
  await sandbox.sessions.delete(session.name);
  await rejected(through.fs.ls("/"));
  await sandbox.delete();
});

await carryOut();
