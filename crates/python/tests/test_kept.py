"""Previews, and what outlives sandboxes: each test is written once, for a thread and the event loops."""

import io
import tarfile
import uuid

import pytest

import reveille_sandbox


def named(kind):
    return f"{kind}-{uuid.uuid4().hex[:8]}"


def test_a_port_is_opened_to_everybody_or_to_those_with_a_token(local, box, way):
    async def test(client):
        sandbox = client.sandbox(box)
        name = named("web")
        made = await sandbox.previews.create(name, 3000, response_headers={"X-Own": "1"}, ttl="1h")
        assert (made.name, made.port, made.public) == (name, 3000, False) and made.url
        assert (await sandbox.previews.get(name)).url == made.url
        assert name in [it.name for it in await sandbox.previews.list()]
        token = await sandbox.previews.create_token(name, "2099-01-01T00:00:00Z")
        assert token.token and token.token not in repr(token)
        assert [it.name for it in await sandbox.previews.tokens(name)] == [token.name]
        await sandbox.previews.delete_token(name, token.name)
        assert await sandbox.previews.tokens(name) == []
        with pytest.raises(reveille_sandbox.ConflictError):
            await sandbox.previews.create(name, 3000)
        await sandbox.previews.delete(name)
        with pytest.raises(reveille_sandbox.NotFoundError):
            await sandbox.previews.get(name)

    way(test, **local)


def test_the_ports_of_a_process_are_told(local, box, way):
    async def test(client):
        processes = client.sandbox(box).processes
        name = named("server")
        started = await processes.start("exec python3 -m http.server 8123", name=name, wait_for_ports=[8123])
        listening = [it for it in await processes.ports(started.pid) if it.state == "LISTEN"]
        assert [(it.port, it.protocol) for it in listening] == [(8123, "tcp")]
        await processes.kill(name)
        await processes.wait(name, timeout=60)

    way(test, **local)


def test_a_volume_outlives_its_sandbox(local, way):
    async def test(client):
        volume, one, other = named("data"), named("one"), named("other")
        made = await client.volumes.create(volume, size=64, labels={"team": "a"})
        assert (made.name, made.size, made.labels["team"], made.attached_to) == (volume, 64, "a", "")
        await client.sandboxes.create(one, volumes={"/mnt/data": volume})
        assert (await client.volumes.get(volume)).attached_to == f"sandbox:{one}"
        await client.sandbox(one).files.write("/mnt/data/kept", "kept")
        with pytest.raises(reveille_sandbox.Error) as refused:
            await client.volumes.delete(volume)
        assert not refused.value.may_have_run
        await client.sandboxes.delete(one)
        assert (await client.volumes.resize(volume, 128)).size == 128
        await client.sandboxes.create(other, volumes={"/mnt/data": volume})
        assert await client.sandbox(other).files.read_text("/mnt/data/kept") == "kept"
        await client.sandboxes.delete(other)
        assert volume in [it.name async for it in client.volumes.list()]
        assert (await client.volumes.delete(volume)).name == volume
        with pytest.raises(reveille_sandbox.NotFoundError):
            await client.volumes.get(volume)

    way(test, **local)


def test_drives_of_the_workspace_are_made_and_deleted(local, way):
    async def test(client):
        name = named("drive")
        assert (await client.drives.create(name)).name == name
        assert (await client.drives.get(name)).name == name
        assert name in [it.name async for it in client.drives.list()]
        await client.drives.delete(name)
        assert name not in [it.name async for it in client.drives.list()]

    way(test, **local)


@pytest.mark.parametrize("form", ["bytes", "path"])
def test_an_image_is_imported_and_removed(local, way, tmp_path, form):
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("etc/empty"))
    path = tmp_path / "image.tar"
    path.write_bytes(held.getvalue())

    async def test(client):
        name = f"{named('image')}:1"
        imported = await client.images.import_archive(name, path if form == "path" else held.getvalue())
        assert name in [it.name async for it in client.images.list()], imported
        await client.images.delete(name)
        assert name not in [it.name async for it in client.images.list()]

    way(test, **local)


def test_an_archive_that_is_not_there_is_an_error(local, way, tmp_path):
    async def test(client):
        with pytest.raises(reveille_sandbox.Error):
            await client.images.import_archive("image:1", tmp_path / "nowhere.tar")

    way(test, **local)


def test_an_upgrade_says_to_which_version(local, way):
    async def test(client):
        name = named("box")
        await client.sandboxes.create(name)
        sandbox = client.sandbox(name)
        version = (await sandbox.health()).version
        assert await sandbox.upgrade(version=version) == version
        await client.sandboxes.delete(name)

    way(test, **local)


def test_a_sandbox_goes_back_to_a_snapshot_and_another_begins_as_it(local, way):
    async def test(client):
        box, other, again = named("box"), named("other"), named("again")
        await client.sandboxes.create(box)
        sandbox = client.sandbox(box)
        await sandbox.files.write("kept", "before")
        taken = await sandbox.snapshots.create("clean")
        assert (taken.name, taken.status, taken.sandbox, taken.sandbox_is_gone) == ("clean", "ready", box, False)
        await sandbox.files.write("kept", "after")
        assert (await sandbox.fork(other, env={"MODE": "trial"})).name == other
        await sandbox.snapshots.restore("clean")
        assert await sandbox.files.read_text("kept") == "before"
        said = await client.sandbox(other).processes.exec("cat kept; printf $MODE")
        assert said.text == "aftertrial"
        assert [it.id for it in await sandbox.snapshots.list()] == [taken.id]
        await client.sandboxes.delete(box)
        assert (await client.snapshots.get(taken.id)).sandbox_is_gone
        assert taken.id in [it.id async for it in client.snapshots.list()]
        assert (await client.snapshots.fork(taken.id, again)).snapshot_id == taken.id
        assert await client.sandbox(again).files.read_text("kept") == "before"
        await client.snapshots.delete(taken.id)
        with pytest.raises(reveille_sandbox.NotFoundError):
            await client.snapshots.get(taken.id)
        for name in (other, again):
            await client.sandboxes.delete(name)

    way(test, **local)


def test_a_command_is_run_by_the_clock_and_told_of(local, box, way):
    async def test(client):
        schedules = client.sandbox(box).schedules
        nightly, soon = named("nightly"), named("soon")
        made = await schedules.create("./backup", cron="0 3 * * *", id=nightly, env={"WORD": "hidden"}, timeout=60)
        assert (made.id, made.type, made.value, made.command) == (nightly, "cron", "0 3 * * *", "./backup")
        assert "hidden" not in str((await schedules.get(nightly)).raw)
        assert nightly in [it.id async for it in client.schedules.list()]
        assert nightly in [it.id async for it in schedules.list()]
        await schedules.create("true", after=0.5, id=soon)
        ran = []
        while not ran:
            ran = [it async for it in schedules.executions(soon)]
        assert [(it.schedule_id, it.status, it.sandbox) for it in ran] == [(soon, "succeeded", box)]
        assert ran[0].id in [it.id async for it in client.schedules.executions()]
        await schedules.delete(nightly)
        with pytest.raises(reveille_sandbox.NotFoundError):
            await schedules.get(nightly)
        for wrong in ({}, {"cron": "* * * * *", "after": 1.0}, {"after": -1.0}, {"after": float("nan")}):
            with pytest.raises(ValueError):
                await schedules.create("true", **wrong)

    way(test, **local)
