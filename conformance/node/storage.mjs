// Volumes, drives, snapshots and forks as the official TypeScript client uses them.
//
// The environment says where the host is, as for scenario.mjs.

import assert from "node:assert/strict";

import { DriveInstance, SandboxInstance, Snapshot, VolumeInstance, forkSandbox, getDriveByExternalId } from "@blaxel/core";

import { carryOut, eventually, named, rejected, statement } from "./statements.mjs";

const image = "blaxel/base-image:latest";
const region = "us-pdx-1";
const gone = (name) => eventually(`${name} is gone`, () => SandboxInstance.get(name).then(() => false, () => true));
const make = (what, more) => SandboxInstance.create({ name: named(what), image, region, ...more });
const said = async (sandbox, command) => (await sandbox.process.exec({ command, waitForCompletion: true })).logs.trim();

async function end(...sandboxes) {
  for (const sandbox of sandboxes) {
    await sandbox.delete();
    await gone(sandbox.metadata.name);
  }
}

statement("a volume is made, grows between two sandboxes, and ends", async () => {
  const name = named("volume");
  assert.equal((await rejected(VolumeInstance.get(name))).code, 404);
  const volume = await VolumeInstance.create({ name, displayName: "Mine", size: 64, region });
  assert.deepEqual([volume.status, volume.metadata.displayName], ["CREATED", "Mine"]);
  await eventually("it is there", async () => (await VolumeInstance.get(name)).status === "DEPLOYED");
  const volumes = [{ name, mountPath: "/data", readOnly: false }];
  const first = await make("first", { volumes });
  assert.equal(await said(first, "df /data | tail -1 | awk '{print $6}'"), "/data");
  const isBound = (await said(first, "dd if=/dev/zero of=/data/much bs=1M count=80 && echo whole; rm -f /data/much")) !== "whole";
  await said(first, "echo kept > /data/file");
  await end(first);
  assert.equal((await VolumeInstance.update(name, { size: 128 })).size, 128);
  const second = await make("second", { volumes });
  assert.equal(await said(second, "cat /data/file"), "kept");
  if (isBound) {
    assert.match(await said(second, "dd if=/dev/zero of=/data/much bs=1M count=80 2>/dev/null && echo whole"), /whole/);
  } else {
    console.log("        (volumes have no sizes here: see reveille doctor)");
  }
  await end(second);
  assert.equal((await VolumeInstance.delete(name)).status, "DELETING");
});

statement("drives are found by pages and by external ids", async () => {
  const externalId = named("id");
  const drives = [];
  for (const more of [{ externalId }, {}]) {
    drives.push(await DriveInstance.create({ metadata: { name: named("drive"), ...more }, spec: { region } }));
  }
  assert.equal((await getDriveByExternalId({ path: { externalId } })).data.metadata.name, drives[0].name);
  const page = await DriveInstance.list({ limit: 1 });
  assert.ok(page.data.length === 1 && page.hasMore && page.nextCursor);
  assert.notEqual((await page.nextPage()).data[0].name, page.data[0].name);
  const walked = (await page.autoPagingToArray({ limit: 1000 })).map((drive) => drive.name);
  assert.equal(new Set(walked).size, walked.length);
  assert.ok(drives.every((drive) => walked.includes(drive.name)));
  assert.equal((await drives[0].update({ displayName: "Changed" })).displayName, "Changed");
  assert.equal((await DriveInstance.createIfNotExists({ name: drives[0].name, region })).displayName, "Changed");
  for (const drive of drives) {
    await drive.delete();
    await rejected(DriveInstance.get(drive.name));
  }
});

statement("a part of a drive is mounted, and the whole of it elsewhere", async () => {
  const { name: driveName } = await DriveInstance.create({ name: named("drive"), region });
  const [one, two] = [await make("one"), await make("two")];
  const whole = await one.drives.mount({ driveName, mountPath: "/mnt/whole", drivePath: "/" });
  assert.deepEqual([whole.success, whole.driveName, whole.mountPath], [true, driveName, "/mnt/whole"]);
  await said(one, "mkdir -p /mnt/whole/part && echo in it > /mnt/whole/part/file");
  assert.equal((await one.drives.unmount("mnt/whole")).mountPath, "/mnt/whole");
  assert.equal((await one.drives.mount({ driveName, mountPath: "/mnt/part", drivePath: "/part" })).drivePath, "/part");
  await two.drives.mount({ driveName, mountPath: "/data" });
  assert.deepEqual([await one.fs.read("/mnt/part/file"), await said(two, "cat /data/part/file")], ["in it\n", "in it"]);
  await end(one, two);
  await DriveInstance.delete(driveName);
});

statement("a drive with permissions is for those that they name", async () => {
  const permissions = [{ labels: { team: "a" }, mode: "read-write" }, { labels: { team: "b" }, mode: "read" }];
  const drive = await DriveInstance.create({ name: named("drive"), region, permissions });
  assert.deepEqual((await DriveInstance.get(drive.name)).permissions, permissions);
  const mount = { driveName: drive.name, mountPath: "/mnt/drive" };
  const [writer, reader, other] = await Promise.all(["a", "b", "c"].map((team) => make("team", { labels: { team } })));
  await writer.drives.mount(mount);
  assert.equal(await said(writer, "echo written > /mnt/drive/file && cat /mnt/drive/file"), "written");
  await reader.drives.mount(mount);
  assert.equal(await said(reader, "cat /mnt/drive/file; (echo more > /mnt/drive/file) 2>/dev/null || echo refused"), "written\nrefused");
  assert.match((await rejected(other.drives.mount(mount))).message, /denied/);
  await DriveInstance.update(drive.name, { permissions: [] });
  assert.equal((await other.drives.mount(mount)).success, true);
  await end(writer, reader, other);
  await drive.delete();
});

statement("a snapshot outlives its sandbox, and forks have their own lives", async () => {
  const expirationPolicies = [{ type: "ttl-max-age", value: "2h", action: "delete" }];
  const source = await make("source", { memory: 2048, ttl: "3h", lifecycle: { expirationPolicies } });
  await source.fs.write("/blaxel/file", "kept");
  const { id } = await source.snapshot(named("snapshot"));
  await eventually("it is ready", async () => (await Snapshot.get(id)).status === "ready");
  const fork = async (more) => {
    const body = { targetName: named("fork"), targetType: "sandbox", ...more };
    const { data } = await forkSandbox({ path: { sandboxName: source.metadata.name }, body, throwOnError: true });
    assert.deepEqual([data.name, data.type], [body.targetName, "sandbox"]);
    return SandboxInstance.get(body.targetName);
  };
  const alike = await fork({});
  assert.deepEqual([alike.spec.runtime.memory, alike.spec.runtime.ttl], [2048, "3h"]);
  assert.equal(alike.spec.lifecycle.expirationPolicies[0].value, "2h");
  assert.equal(await alike.fs.read("/blaxel/file"), "kept");
  const shorter = await fork({ lifecycle: { expirationPolicies: [{ ...expirationPolicies[0], value: "45m" }] } });
  assert.equal(shorter.spec.lifecycle.expirationPolicies[0].value, "45m");
  await end(source);
  const left = await Snapshot.get(id);
  assert.deepEqual([left.source.name, left.spec.image], [source.metadata.name, image]);
  const made = await left.fork(named("fork"));
  const last = await SandboxInstance.get(made.name);
  assert.equal(await last.fs.read("/blaxel/file"), "kept");
  await Snapshot.delete(id);
  await end(alike, shorter, last);
});

await carryOut();
