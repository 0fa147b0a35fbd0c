"""The transport under the official package, each time in a process of its own."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[3]

#: Leads the official package to the local host, and puts its sandbox to sleep.
BEGIN = """
import asyncio, os, uuid, warnings
warnings.simplefilter("ignore")
import httpx, reveille_sandbox
from blaxel.core.client.client import client
from blaxel.core.common.settings import Settings, settings
Settings.base_url = property(lambda self: os.environ["BL_API_URL"])
Settings.run_url = property(lambda self: os.environ["BL_RUN_URL"])
client.with_base_url(settings.base_url)
from blaxel.core import SandboxInstance, SyncSandboxInstance

def made():
    return SyncSandboxInstance.create({"name": f"box-{uuid.uuid4().hex[:8]}"})

def sleep(box):
    # By the package, so that the transport learns of it, as it would of 15 s without a request.
    headers = {**settings.headers, "x-blaxel-workspace": "local"}
    asked = client.get_httpx_client().post(f"/sandboxes/{box.metadata.name}/standby", headers=headers)
    assert asked.status_code < 300, asked.text
"""


def run(host, script, *arguments):
    command = [sys.executable, "-c", BEGIN + script, *arguments]
    done = subprocess.run(command, env={**os.environ, **host}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split()


def test_without_it_a_read_meets_the_window(host):
    said = run(
        host,
        """
box = made()
sleep(box)
try:
    box.fs.ls("/")
    print("survived")
except Exception as error:
    print(error.response.status_code)
""",
    )
    assert said != ["survived"]


def test_with_it_reads_and_execs_survive(host):
    said = run(
        host,
        """
reveille_sandbox.install()
box = made()
sleep(box)
print(bool(box.fs.ls("/").subdirectories))
sleep(box)
print(box.process.exec({"command": "echo ran >> /tmp/runs && cat /tmp/runs", "wait_for_completion": True}).stdout)

async def main():
    box = await SandboxInstance.get(name)
    sleep(box)
    print(bool((await box.fs.ls("/")).subdirectories))
    sleep(box)
    done = await box.process.exec({"command": "echo ran >> /tmp/runs && cat /tmp/runs", "wait_for_completion": True})
    print(done.stdout)

name = box.metadata.name
asyncio.run(main())
asyncio.run(main())
""",
    )
    assert said == ["True", "ran", "True", "ran", "ran", "True", "ran", "ran", "ran"]


def test_a_process_is_listed_and_read_through_the_window(host):
    said = run(
        host,
        """
reveille_sandbox.install()
box = made()
box.process.exec({"name": "one", "command": "echo out", "wait_for_completion": True})
sleep(box)
print([it.name for it in box.process.list()])
sleep(box)
print(box.process.logs("one"))
""",
    )
    assert said == ["['one']", "out"]


def test_what_the_package_says_of_limits_proxies_and_the_environment_is_carried_out(host):
    said = run(
        host,
        """
import socket
reveille_sandbox.install(probe=False, retries=0)
one = httpx.Limits(max_connections=1)

def made(**said):
    # As the package itself would make one.
    return eval("httpx.Client(**said)", {"__name__": "blaxel.core", "httpx": httpx}, {"said": said})

with socket.create_server(("127.0.0.1", 0)) as deaf:
    url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
    for own in (made(limits=one), made(limits=one)):
        # Each is bounded by itself.
        try:
            with own.stream("GET", url, timeout=httpx.Timeout(None, read=0.2)):
                pass
        except httpx.ReadTimeout:
            print("read")
    own = made(limits=one, timeout=None)
    import threading
    threading.Thread(target=lambda: own.get(url), daemon=True).start()
    held = [deaf.accept() for _ in range(3)]
    try:
        own.get(url, timeout=httpx.Timeout(None, pool=0.1))
    except httpx.PoolTimeout:
        print("pool")
    through = made(proxy=f"http://127.0.0.1:{deaf.getsockname()[1]}")
    assert not through._mounts, through._mounts
    threading.Thread(target=lambda: through.get("http://127.0.0.1:9/"), daemon=True).start()
    print(deaf.accept()[0].recv(7).decode())
    print("done", flush=True)
    os._exit(0)
""",
    )
    assert said == ["read", "read", "pool", "CONNECT", "done"]


def test_it_is_taken_away_again(host):
    said = run(
        host,
        """
own = httpx.Client.__init__, httpx.AsyncClient.__init__
reveille_sandbox.install()
reveille_sandbox.install()
assert (httpx.Client.__init__, httpx.AsyncClient.__init__) != own
assert type(httpx.Client()._transport) is httpx.HTTPTransport, "only the package's own get it"
reveille_sandbox.uninstall()
reveille_sandbox.uninstall()
assert (httpx.Client.__init__, httpx.AsyncClient.__init__) == own
print("done")
""",
    )
    assert said == ["done"]


@pytest.mark.parametrize(
    "change",
    [
        # It makes its clients by another library, by a subclass that brings a transport, or elsewhere.
        "action.SandboxAction.get_client = lambda self: type('Other', (), {'_transport': object()})()",
        "action.SandboxAction.get_client = lambda self: httpx.AsyncClient()",
        "del action.SandboxAction.get_client",
        "del action.SandboxAction",
        "sys.modules['blaxel.core.sandbox.default.action'] = None",
        "del Settings.run_url",
    ],
)
def test_a_version_that_makes_its_clients_in_another_way_is_an_error(host, change):
    said = run(
        host,
        f"""
import sys
import blaxel.core.sandbox.default.action as action
own = httpx.Client.__init__, httpx.AsyncClient.__init__
{change}
try:
    reveille_sandbox.install()
except reveille_sandbox.NotInstalledError as error:
    assert "blaxel 0.4" in str(error), error
    print("loudly")
assert (httpx.Client.__init__, httpx.AsyncClient.__init__) == own
""",
    )
    assert said == ["loudly"]


def test_where_the_package_is_not_it_says_so():
    script = (
        "import sys; sys.modules['blaxel'] = None\n"
        "import reveille_sandbox\n"
        "try: reveille_sandbox.install()\n"
        "except reveille_sandbox.NotInstalledError: print('loudly')"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True) == "loudly\n"


def test_the_packages_own_scenario_goes_as_before(host):
    script = (
        "import os, runpy, sys, reveille_sandbox\n"
        "reveille_sandbox.install(run_url=os.environ['BL_RUN_URL'], api_url=os.environ['BL_API_URL'])\n"
        "runpy.run_path(sys.argv[1], run_name='__main__')"
    )
    scenario = str(ROOT / "conformance" / "python" / "scenario.py")
    command = [sys.executable, "-c", script, scenario]
    done = subprocess.run(command, env={**os.environ, **host}, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 failed" in done.stdout
