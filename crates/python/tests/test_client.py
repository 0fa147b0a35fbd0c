"""The client, in a thread and in the event loops of asyncio and trio: each test is written once."""

import asyncio
import os
import pathlib
import signal
import subprocess
import sys
import threading
import uuid

import pytest
import trio

import reveille_sandbox
from reveille_sandbox import AsyncClient, Client, Ended, Stderr, Stdout

WAITS_FOR_NOTHING = {"api_key": "k", "workspace": "acme"}


def settings(server, **more):
    return {**WAITS_FOR_NOTHING, "run_url": server.url, "api_url": server.url, "probe": False, **more}


def test_a_sandbox_is_made_found_listed_and_deleted(local, way):
    async def test(client):
        name = f"box-{uuid.uuid4().hex[:8]}"
        made = await client.sandboxes.create(name, labels={"team": "a"}, memory=512, env={"A": "b"})
        assert (made.name, made.labels["team"], made.memory) == (name, "a", 512)
        assert (await client.sandboxes.create(name, if_missing=True)).name == name
        with pytest.raises(reveille_sandbox.ConflictError):
            await client.sandboxes.create(name)
        assert (await client.sandboxes.get(name)).status == "DEPLOYED"
        assert name in [it.name async for it in client.sandboxes.list(page_size=1)]
        assert (await client.sandbox(name).processes.exec("echo $A")).text == "b\n"
        assert (await client.sandboxes.delete(name)).name == name
        with pytest.raises(reveille_sandbox.NotFoundError):
            await client.sandbox(name).health()

    way(test, **local)


def test_a_sandbox_that_sleeps_is_read_and_runs_commands(local, box, way):
    async def test(client):
        sandbox = client.sandbox(box)
        await client.sandboxes.sleep(box)
        assert (await sandbox.health()).status == "ok"
        await client.sandboxes.sleep(box)
        assert (await sandbox.processes.exec("echo woken")).text == "woken\n"
        await client.sandboxes.sleep(box)
        await sandbox.wake()
        assert (await client.sandboxes.get(box)).state == "RUNNING"

    way(test, **local)


def test_a_command_gives_its_bytes_and_how_it_ended(local, box, way):
    async def test(client):
        processes = client.sandbox(box).processes
        done = await processes.exec("cat; printf '\\377\\000' >&2; exit 3", input=b"\x00in\xff", cwd="/", env={"A": "1"})
        assert (done.stdout, done.stderr, done.exit_code) == (b"\x00in\xff", b"\xff\x00", 3)
        assert not done.success and done.process.status == "failed"
        killed = await processes.exec("kill -9 $$")
        assert killed.exit_code is None or killed.exit_code == 137
        events = [event async for event in processes.stream("echo out; echo err >&2")]
        assert b"".join(it.data for it in events if isinstance(it, Stdout)) == b"out\n"
        assert b"".join(it.data for it in events if isinstance(it, Stderr)) == b"err\n"
        assert isinstance(events[-1], Ended) and events[-1].process.exit_code == 0

    way(test, **local)


def test_a_process_in_the_background_is_followed_and_ended(local, box, way):
    async def test(client):
        processes = client.sandbox(box).processes
        name = f"cat-{uuid.uuid4().hex[:8]}"
        started = await processes.start("cat", name=name, stdin_open=True)
        assert started.is_running and name in [it.name for it in await processes.list()]
        await processes.write_stdin(name, "line\n")
        await processes.close_stdin(name)
        events = [event async for event in processes.follow(name)]
        assert b"".join(it.data for it in events if isinstance(it, Stdout)) == b"line\n"
        assert (await processes.logs(name)).stdout == "line\n"
        for end in (processes.stop, processes.kill):
            other = f"sleep-{uuid.uuid4().hex[:8]}"
            await processes.start("sleep 1000", name=other)
            assert (await processes.get(other)).is_running
            await end(other)
            assert not (await processes.wait(other, timeout=60)).is_running
        with pytest.raises(reveille_sandbox.NotFoundError) as raised:
            await processes.get("nobody")
        assert raised.value.status == 404 and not raised.value.may_have_run

    way(test, **local)


def test_a_stream_is_left_in_the_middle(local, box, way):
    async def test(client):
        async with client.sandbox(box).processes.stream("yes") as events:
            async for event in events:
                assert isinstance(event, Stdout)
                break

    way(test, **local)


def test_files_are_written_read_and_looked_for(local, box, way, tmp_path):
    async def test(client):
        files = client.sandbox(box).files
        root = f"/tmp/{uuid.uuid4().hex[:8]}"
        await files.write(f"{root}/a b\udcff.bin", b"\x00\xff" * 100, mode=0o600)
        assert await files.read(f"{root}/a b\udcff.bin") == b"\x00\xff" * 100
        await files.write(f"{root}/ü.txt", "größe\nnadel\n")
        assert await files.read_text(f"{root}/ü.txt") == "größe\nnadel\n"
        await files.make_directory(f"{root}/below")
        listed = await files.ls(root)
        assert "ü.txt" in [it.name for it in listed.files] and listed.directories == [f"{root}/below"]
        await files.copy(f"{root}/ü.txt", f"{root}/below/copy.txt")
        assert await files.kind(f"{root}/below") == "directory"
        assert [it.name for it in (await files.ls(f"{root}/below")).files] == ["copy.txt"]
        assert await files.find(root, patterns=["copy.*"]) == ["below/copy.txt"]
        assert {it.line for it in await files.grep(root, "nadel")} == {2}
        assert await files.download(f"{root}/ü.txt", tmp_path / "here") == 14
        assert (tmp_path / "here").read_text() == "größe\nnadel\n"
        big = tmp_path / "big"
        big.write_bytes(os.urandom(6 * 1024 * 1024))
        assert await files.upload(big, f"{root}/big") == big.stat().st_size
        async with files.stream(f"{root}/big") as coming:
            assert b"".join([piece async for piece in coming]) == big.read_bytes()
        moved = await files.download_directory(f"{root}/below", tmp_path / "below")
        assert (moved.files, (tmp_path / "below" / "copy.txt").exists()) == (1, True)
        assert (await files.upload_directory(tmp_path / "below", f"{root}/again")).files == 1
        await files.remove(root, recursive=True)
        with pytest.raises(reveille_sandbox.NotFoundError):
            await files.read(f"{root}/big")

    way(test, **local)


def test_what_happens_in_a_directory_is_told(local, box, way):
    async def test(client):
        files = client.sandbox(box).files
        root = f"/tmp/{uuid.uuid4().hex[:8]}"
        await files.make_directory(root)
        async with files.watch(root) as changes:
            write = threading.Thread(target=later, args=(local, box, f"{root}/new"))
            write.start()
            async for change in changes:
                if isinstance(change, reveille_sandbox.Change) and change.name == "new":
                    break
            told.set()
            write.join()

    told = threading.Event()

    def later(local, box, path):
        # Whoever watches is heard from the moment on in which the sandbox knows of it.
        while not told.wait(0.1):
            Client(**local).sandbox(box).files.write(path, "x")

    way(test, **local)


def test_an_app_is_asked_as_a_person_would(faults, way):
    server = faults({"status": 200, "body": '{"id": 7}', "headers": {"x-a": "1"}})

    async def test(client):
        sandbox = client.sandbox("box")
        page = await sandbox.fetch(3000, "/a", params={"q": "ä b"}, headers={"x-own": "1"})
        assert (page.status, page.json(), page.headers["x-a"]) == (200, {"id": 7}, "1")
        assert str(page.history) == "200" and page.stop_reason is None
        page.raise_for_status()
        made = await sandbox.fetch(3000, "/orders", method="POST", json={"tea": "grün"})
        assert made.content == b'{"id": 7}' and made.text == '{"id": 7}'
        async with sandbox.stream(3000, "/big") as big:
            assert (big.status, b"".join([piece async for piece in big])) == (200, b'{"id": 7}')
        assert (await sandbox.request("GET", "/novel")).status == 200

    way(test, **settings(server))
    asked = [(it["method"], it["target"].partition("/box")[2]) for it in server.end()]
    assert asked == [
        ("GET", "/port/3000/a?q=%C3%A4%20b"),
        ("POST", "/port/3000/orders"),
        ("GET", "/port/3000/big"),
        ("GET", "/novel"),
    ]


def test_a_read_survives_and_a_mutation_is_sent_once(faults, way):
    server = faults({"status": 503, "times": 2}, {"status": 200, "body": "awake"})

    async def test(client):
        page = await client.sandbox("box").fetch(3000, "/status")
        assert (page.text, str(page.history)) == ("awake", "503, 503, 200")

    way(test, **settings(server))


def test_an_error_answers_three_questions(faults, way):
    server = faults({"reset": "after-request"})

    async def test(client):
        with pytest.raises(reveille_sandbox.UnavailableError) as raised:
            await client.sandbox("box").drives.mount("data", "/mnt/data")
        error = raised.value
        assert error.may_have_run and error.is_unavailable and len(error.history) == 1
        assert (error.method, error.path, error.fault) == ("POST", "/drives/mount", "reset")
        assert "may have run" in str(error)
        with pytest.raises(reveille_sandbox.UnavailableError) as raised:
            await client.sandbox("box").drives.list(retries=1)
        assert len(raised.value.history) == 2 and not raised.value.may_have_run

    way(test, **settings(server))


def test_drives_are_mounted_and_listed(faults, way):
    mount = '{"driveName": "data", "mountPath": "/mnt", "drivePath": "/a", "readOnly": true}'
    server = faults(
        {"status": 200, "body": '{"success": true, "message": "", ' + mount[1:]},
        {"status": 200, "body": f'{{"mounts": [{mount}]}}'},
        {"status": 200, "body": '{"success": true, "message": "", "mountPath": "/mnt"}'},
    )

    async def test(client):
        drives = client.sandbox("box").drives
        mounted = await drives.mount("data", "/mnt", read_only=True, drive_path="/a")
        assert (mounted.drive, mounted.path, mounted.drive_path, mounted.read_only) == ("data", "/mnt", "/a", True)
        assert await drives.list() == [mounted]
        await drives.unmount("/mnt")

    way(test, **settings(server))


def test_what_cannot_be_sent_is_an_input_error(way):
    async def test(client):
        for broken in (
            client.sandbox("no/name").health(),
            client.sandbox("box").fetch(0, "/"),
            client.sandbox("box").fetch(3000, "/", headers={"a\nb": "c"}),
            client.sandbox("box").files.read("a\0b"),
        ):
            with pytest.raises((reveille_sandbox.InputError, ValueError)):
                await broken
        with pytest.raises(TypeError):
            await client.sandbox("box").health(nonsense=1)

    way(test, **WAITS_FOR_NOTHING)


def test_a_deadline_ends_a_call(faults, way):
    server = faults({"hang": "after-request"})

    async def test(client):
        for deadline in (0.2, 0, -1):
            with pytest.raises(reveille_sandbox.UnavailableError):
                await client.sandbox("box").health(deadline=deadline)

    way(test, **settings(server))


def test_four_hundred_commands_at_once(local, box):
    async def main():
        processes = AsyncClient(**local, deadline=300).sandbox(box).processes
        return await asyncio.gather(*(processes.exec(f"echo {n}") for n in range(400)))

    assert [done.text for done in asyncio.run(main())] == [f"{n}\n" for n in range(400)]


def test_a_client_is_shared_by_threads_loops_and_children(faults):
    server = faults({"status": 200, "body": '{"status": "ok"}'})
    client, in_loops = Client(**settings(server)), AsyncClient(**settings(server))

    def all_of_it():
        statuses = []
        work = lambda: statuses.append(client.sandbox("box").health().status)  # noqa: E731
        threads = [threading.Thread(target=work) for _ in range(8)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]

        async def health():
            return (await in_loops.sandbox("box").health()).status

        return statuses + [asyncio.run(health()), asyncio.run(health()), trio.run(health)]

    assert all_of_it() == ["ok"] * 11
    child = os.fork()
    if child == 0:
        done = 1
        try:
            done = 0 if all_of_it() == ["ok"] * 11 else 2
        finally:
            os._exit(done)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert all_of_it() == ["ok"] * 11


def test_a_cancelled_call_ends_and_the_next_is_made(faults):
    server = faults({"hang": "after-request"}, {"status": 200, "body": '{"status": "ok"}'})

    async def in_trio():
        sandbox = AsyncClient(**settings(server)).sandbox("box")
        with trio.move_on_after(0.2) as scope:
            await sandbox.health()
        assert scope.cancelled_caught
        return (await sandbox.health()).status

    async def in_asyncio():
        sandbox = AsyncClient(**settings(server)).sandbox("box")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(sandbox.fetch(3000, "/hang"), 0.2)
        return (await sandbox.health()).status

    assert trio.run(in_trio) == "ok"
    server = faults({"hang": "after-request"}, {"status": 200, "body": '{"status": "ok"}'})
    assert asyncio.run(in_asyncio()) == "ok"


INTERRUPTED = """
import sys, reveille_sandbox
sandbox = reveille_sandbox.Client(api_key="k", workspace="w", run_url=sys.argv[1], probe=False).sandbox("box")
try:
    sandbox.processes.exec("sleep 1000")
except KeyboardInterrupt:
    print("interrupted")
"""


def test_an_interrupt_ends_a_command_that_is_waited_for(faults):
    server = faults({"hang": "after-request"})
    child = subprocess.Popen([sys.executable, "-c", INTERRUPTED, server.url], stdout=subprocess.PIPE, text=True)
    server.arrivals(1)
    child.send_signal(signal.SIGINT)
    assert child.communicate(timeout=30) == ("interrupted\n", None)


def test_the_client_for_threads_is_made_of_the_one_for_loops():
    script = pathlib.Path(__file__).parents[1] / "unasync"
    assert subprocess.run([sys.executable, str(script), "--check"]).returncode == 0


def test_the_interpreter_ends_while_a_call_is_on_its_way(faults):
    server = faults({"hang": "after-request"})
    script = (
        "import asyncio, sys, threading, reveille_sandbox as r\n"
        "said = dict(api_key='k', workspace='w', run_url=sys.argv[1], probe=False)\n"
        "threading.Thread(target=lambda: r.Client(**said).sandbox('box').health(), daemon=True).start()\n"
        "async def main():\n"
        "    task = asyncio.ensure_future(r.AsyncClient(**said).sandbox('box').health())\n"
        "    await asyncio.sleep(0.3)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", script, server.url], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
