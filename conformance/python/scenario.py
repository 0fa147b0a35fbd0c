"""The official Python client's sandbox object against a host, every method once, as a user would.

The environment says where the host is: BL_API_URL, BL_RUN_URL, BL_API_KEY, BL_WORKSPACE.
Prints a line a statement and ends with "N passed, N failed"; exit status 1 where one failed.
"""

import os
import sys
import time
import traceback
import uuid
import warnings

warnings.simplefilter("ignore")

from blaxel.core.client.client import client
from blaxel.core.common.settings import Settings, settings

Settings.base_url = property(lambda self: os.environ["BL_API_URL"])
Settings.run_url = property(lambda self: os.environ["BL_RUN_URL"])
client.with_base_url(settings.base_url)

from blaxel.core import SyncSandboxInstance as Sandbox

run = uuid.uuid4().hex[:8]
name = f"scenario-{run}"
statements = []


def statement(act):
    statements.append(act)
    return act


def eventually(what, is_so, seconds=30):
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"not in {seconds} s: {what}"
        time.sleep(0.05)


def refused(act, *kinds):
    try:
        act()
    except Exception as error:
        assert not kinds or isinstance(error, kinds), repr(error)
        return error
    raise AssertionError("it was not refused")


box = Sandbox.create_if_not_exists({"name": name, "labels": {"run": run}, "envs": [{"name": "GREETING", "value": "hello"}]})


@statement
def it_is_found_and_listed():
    assert Sandbox.get(name).metadata.name == name
    assert name in [found.metadata.name for found in Sandbox.list(limit=200).auto_paging_iter()]
    assert Sandbox.create_if_not_exists({"name": name}).metadata.name == name
    assert str(box.status) in ("DEPLOYED", "Status.DEPLOYED"), box.status
    assert box.spec.runtime.memory == 4096
    refused(lambda: Sandbox.create({"name": name}))
    refused(lambda: Sandbox.get(f"missing-{run}"))
    box.wait()


@statement
def its_record_changes():
    from blaxel.core.sandbox.types import SandboxUpdateMetadata

    changed = Sandbox.update_metadata(name, SandboxUpdateMetadata(labels={"more": "yes"}))
    assert changed.metadata.labels["more"] == "yes" and changed.metadata.labels["run"] == run
    assert Sandbox.update_ttl(name, "1h").spec.runtime.ttl == "1h"


@statement
def a_command_runs_to_its_end():
    done = box.process.exec({"command": "echo $GREETING; echo oops >&2; exit 3", "wait_for_completion": True})
    assert done.exit_code == 3 and done.stdout == "hello\n" and done.stderr == "oops\n", done
    assert str(done.status.value if hasattr(done.status, "value") else done.status) == "failed"


@statement
def a_command_is_told_while_it_runs():
    lines = []
    done = box.process.exec(
        {"command": "for i in 1 2 3; do echo line $i; sleep 0.1; done", "wait_for_completion": True, "on_log": lines.append}
    )
    assert done.exit_code == 0 and [line.strip() for line in lines] == ["line 1", "line 2", "line 3"], lines


@statement
def a_process_is_found_waited_for_stopped_and_killed():
    started = box.process.exec({"name": f"slow-{run}", "command": "sleep 300"})
    assert started.name == f"slow-{run}"
    assert box.process.get(started.pid).name == started.name
    assert started.name in [process.name for process in box.process.list()]
    box.process.stop(started.name)
    assert box.process.wait(started.name, max_wait=20000).status != "running"
    killed = box.process.exec({"command": "trap '' TERM; while :; do sleep 0.1; done"})
    assert killed.name.startswith("proc-") and len(killed.name) == 13
    box.process.kill(killed.name)
    assert box.process.wait(killed.name, max_wait=20000).status == "killed"
    refused(lambda: box.process.get(f"missing-{run}"))


@statement
def a_process_reads_its_input():
    reader = box.process.exec({"name": f"reader-{run}", "command": "cat", "stdin": True})
    box.process.write_stdin(reader.name, "over the wire\n")
    box.process.close_stdin(reader.name)
    box.process.wait(reader.name)
    assert box.process.logs(reader.name, "stdout") == "over the wire\n"


@statement
def logs_are_followed():
    lines = []
    box.process.exec({"name": f"talker-{run}", "command": "for i in 1 2 3; do echo said $i; sleep 0.2; done"})
    with box.process.stream_logs(f"talker-{run}", {"on_log": lines.append}):
        eventually("all lines have come", lambda: len(lines) >= 3)
    assert [line.strip() for line in lines] == ["said 1", "said 2", "said 3"], lines


@statement
def a_start_waits_for_its_port():
    started = box.process.exec(
        {"name": f"web-{run}", "command": "python3 -m http.server 3000 --bind 0.0.0.0", "wait_for_ports": [3000], "timeout": 60}
    )
    assert started.status == "running", started
    page = box.fetch(3000, "/")
    assert page.status_code == 200 and "Directory listing" in page.text
    assert box.network.fetch(3000, "/missing").status_code == 404
    assert box.fetch(3000, "/", method="POST", content=b"x").status_code == 501


@statement
def files_are_written_read_and_removed():
    root = f"/tmp/files-{run}"
    box.fs.mkdir(root)
    box.fs.write(f"{root}/a text.txt", "text with ümlaut")
    assert box.fs.read(f"{root}/a text.txt") == "text with ümlaut"
    blob = os.urandom(100_000)
    box.fs.write_binary(f"{root}/blob", blob)
    assert box.fs.read_binary(f"{root}/blob") == blob
    large = os.urandom(12 << 20)
    box.fs.write_binary(f"{root}/large", large)
    assert box.fs.read_binary(f"{root}/large") == large
    box.fs.download(f"{root}/blob", f"/tmp/download-{run}")
    with open(f"/tmp/download-{run}", "rb") as file:
        assert file.read() == blob
    os.unlink(f"/tmp/download-{run}")
    box.fs.write_tree([{"path": "src/main.py", "content": "print('hi')"}, {"path": "README.md", "content": "# App"}], root)
    assert {file.name for file in box.fs.ls(root).files} >= {"a text.txt", "blob", "large", "README.md"}
    assert [directory.name for directory in box.fs.ls(root).subdirectories] == ["src"]
    tree = box.fs.read_tree(f"{root}/src")
    assert [file.content for file in tree.files] == ["print('hi')"], tree
    box.fs.cp(f"{root}/src", f"{root}/copy")
    assert box.fs.read(f"{root}/copy/main.py") == "print('hi')"
    refused(lambda: box.fs.cp(f"{root}/README.md", f"{root}/blob", no_overwrite=True), FileExistsError)
    refused(lambda: box.fs.rm(root))
    box.fs.rm(root, recursive=True)
    refused(lambda: box.fs.ls(root))


@statement
def files_are_found():
    root = f"/tmp/find-{run}"
    box.fs.write_tree([{"path": "deep/er/needle.rs", "content": "fn needle() {}\n"}, {"path": "hay.txt", "content": "hay\n"}], root)
    if hasattr(box.fs, "find"):
        assert "needle.rs" in str(box.fs.find(root, type="file", patterns=["*.rs"]))
    if hasattr(box.fs, "grep"):
        assert "needle.rs" in str(box.fs.grep("needle", root))


@statement
def changes_are_watched():
    root, seen = f"/tmp/watch-{run}", []
    box.fs.mkdir(root)
    with box.fs.watch(f"{root}/**", seen.append):
        # The client has no way to say that it listens; what is missed is written again.
        def written():
            box.fs.write(f"{root}/file.txt", str(time.monotonic()))
            return any(event.name == "file.txt" for event in seen)

        eventually("a change is told", written)


@statement
def drives_are_mounted_and_unmounted():
    drive = f"drive-{run}"
    box.drives.mount(drive, "/mnt/data")
    assert [mount.mount_path for mount in box.drives.list()] == ["/mnt/data"]
    box.fs.write("/mnt/data/kept", "kept")
    box.drives.unmount("/mnt/data")
    assert box.drives.list() == []
    refused(lambda: box.fs.read("/mnt/data/kept"))
    box.drives.mount(drive, "/mnt/again", read_only=True)
    assert box.fs.read("/mnt/again/kept") == "kept"
    refused(lambda: box.fs.write("/mnt/again/new", "no"))
    box.drives.unmount("/mnt/again")


@statement
def previews_open_a_port():
    import datetime

    import httpx

    public = box.previews.create_if_not_exists({"metadata": {"name": "public"}, "spec": {"port": 3000, "public": True}})
    assert "preview" in public.spec.url
    assert "Directory listing" in httpx.get(public.spec.url).text
    private = box.previews.create({"metadata": {"name": "private"}, "spec": {"port": 3000, "public": False}})
    assert httpx.get(private.spec.url).status_code in (401, 403)
    token = private.tokens.create(datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=10))
    assert httpx.get(private.spec.url, headers={"X-Blaxel-Preview-Token": token.value}).status_code == 200
    assert [found.name for found in private.tokens.list()] == [token.name]
    private.tokens.delete(token.name)
    assert {preview.name for preview in box.previews.list()} == {"public", "private"}
    assert box.previews.get("public").name == "public"
    box.previews.delete("private")
    box.previews.delete("public")


@statement
def sessions_reach_the_sandbox():
    session = box.sessions.create()
    assert session.token and session.name in [found.name for found in box.sessions.list()]
    through = Sandbox.from_session(session)
    assert through.process.exec({"command": "echo through", "wait_for_completion": True}).stdout == "through\n"
    box.sessions.delete(session.name)


@statement
def schedules_are_kept_and_carried_out():
    weekly = {"type": "cron", "value": "0 8 * * 1-5", "input": {"command": "true"}}
    made = box.schedules.create(weekly)
    assert made.id in [found.id for found in box.schedules.list().auto_paging_iter()]
    assert box.schedules.update(made.id, {**weekly, "value": "30 9 * * 1-5"}).value == "30 9 * * 1-5"
    assert box.schedules.get(made.id).value == "30 9 * * 1-5"
    box.schedules.delete(made.id)
    once = box.schedules.create({"type": "sleep", "value": "1s", "input": {"command": "echo by the clock"}})
    assert str(once.type_.value) == "at"
    eventually("it is carried out", lambda: len(box.schedules.executions().data) > 0)
    [execution] = box.schedules.executions().data
    assert (execution.schedule_id, execution.status.value) == (once.id, "succeeded"), execution
    assert box.process.wait(execution.process_name).logs == "by the clock\n"
    assert box.schedules.list().data == []


@statement
def its_system_is_asked():
    health = box.system.health()
    assert health.status == "ok"
    box.system.upgrade()
    eventually("it has upgraded itself", lambda: box.system.health().upgrade_count == health.upgrade_count + 1)


@statement
def snapshots_are_taken_restored_and_forked():
    box.fs.write("/blaxel/state", "before")
    snapshot = box.snapshot(f"snap-{run}")
    box.fs.write("/blaxel/state", "after")
    assert snapshot.id in [found.id for found in box.list_snapshots()]
    box.restore(snapshot.id)
    eventually("the files are those of before", lambda: box.fs.read("/blaxel/state") == "before")
    box.delete_snapshot(snapshot.id)


@statement
def it_is_deleted():
    box.delete()
    eventually("it is gone", lambda: status() in ("gone", "TERMINATED", "DELETING"))


def status():
    try:
        return str(Sandbox.get(name).status).rpartition(".")[2]
    except Exception:
        return "gone"


only = sys.argv[1:]
passed = failed = 0
for act in statements:
    title = act.__name__.replace("_", " ")
    if only and not any(word in title for word in only):
        continue
    try:
        act()
        passed += 1
        print(f"ok      {title}", flush=True)
    except Exception:
        failed += 1
        print(f"FAILED  {title}", flush=True)
        print("        " + traceback.format_exc(limit=-2).replace("\n", "\n        "), flush=True)
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
