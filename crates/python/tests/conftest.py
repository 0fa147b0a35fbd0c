"""Servers for the tests: one that misbehaves to a script, and the local host, by the command line of this project."""

import asyncio
import inspect
import json
import os
import pathlib
import subprocess
import threading
import uuid

import pytest
import trio

from reveille_sandbox import AsyncClient, Client
from reveille_sandbox._terminal import Terminal

#: The command line; the script that runs these tests builds it.
REVEILLE = os.environ.get(
    "REVEILLE", str(pathlib.Path(__file__).parents[3] / "target" / "debug" / "reveille")
)


class Faults:
    """A server that answers to a script, and what arrived at it."""

    def __init__(self, script):
        self._process = subprocess.Popen(
            [REVEILLE, "faults", "--json", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._process.stdin.write(json.dumps(script))
        self._process.stdin.close()
        self.url = json.loads(self._process.stdout.readline())["listening"]["url"]
        self._arrived = []
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            said = json.loads(line)
            if "arrival" in said:
                with self._more:
                    self._arrived.append(said["arrival"])
                    self._more.notify_all()

    def arrivals(self, least):
        """What arrived; waits for this many."""
        with self._more:
            assert self._more.wait_for(lambda: len(self._arrived) >= least, timeout=30), self._arrived
            return list(self._arrived)

    def end(self):
        """Ends the server. What has arrived by then is all."""
        self._process.terminate()
        self._process.wait()
        self._reader.join()
        return list(self._arrived)

    @property
    def sandbox(self):
        return f"{self.url}/acme/sandboxes/box"


@pytest.fixture
def faults():
    """Makes servers for scripts: ``faults({"status": 503}, {"status": 200})``, the last step for good."""
    made = []

    def make(*steps):
        made.append(Faults({"steps": list(steps), "repeat": "last"}))
        return made[-1]

    yield make
    for server in made:
        server.end()


@pytest.fixture(scope="session")
def host(tmp_path_factory):
    """A local host that refuses what comes while a sandbox wakes, for 300 ms; as environment of a client."""
    home = tmp_path_factory.mktemp("host")
    environment = {**os.environ, "HOME": str(home), "XDG_STATE_HOME": str(home), "REVEILLE_HOST_KEY": "k"}
    command = [REVEILLE, "host", "--json", "--quiet", "--listen", "127.0.0.1:0", "--data", str(home / "data")]
    command += ["--while-waking", "reject", "--resume-delay", "300ms", "--standby-after", "1h"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    url = json.loads(process.stdout.readline())["url"]
    threading.Thread(target=process.stdout.read, daemon=True).start()
    yield {
        "BL_API_URL": f"{url}/v0",
        "BL_RUN_URL": url,
        "BL_API_KEY": "k",
        "BL_WORKSPACE": "local",
        "BL_REGION": "us-pdx-1",
        "BL_DISABLE_H2": "true",
        "DO_NOT_TRACK": "1",
        "HOME": str(home),
    }
    process.terminate()
    process.wait()


@pytest.fixture(autouse=True)
def no_settings_of_the_machine(monkeypatch, tmp_path):
    """No test meets the settings of whoever runs it."""
    for name in list(os.environ):
        if name.startswith("BL_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


class Threaded:
    """What is made for threads, as what is awaited."""

    def __init__(self, inner):
        self._inner = inner

    def __getattr__(self, name):
        value = getattr(self._inner, name)
        if name in ("sandboxes", "drives", "processes", "files", "previews", "volumes", "images", "snapshots", "schedules"):
            return Threaded(value)
        if not callable(value):
            return value
        if name in ("sandbox", "sandbox_at"):
            return lambda *said, **named: Threaded(value(*said, **named))
        if name in ("stream", "follow", "watch", "terminal") or inspect.isgeneratorfunction(value):
            return lambda *said, **named: Threaded(value(*said, **named))

        if isinstance(self._inner, Terminal) and name in ("resize", "hang_up"):
            return value

        async def call(*said, **named):
            return value(*said, **named)

        return call

    async def __aenter__(self):
        self._inner.__enter__()
        return self

    async def __aexit__(self, *raised):
        self._inner.__exit__(*raised)

    async def __aiter__(self):
        for item in self._inner:
            yield item


WAYS = {
    "thread": (lambda **said: Threaded(Client(**said)), asyncio.run),
    "asyncio": (AsyncClient, asyncio.run),
    "trio": (AsyncClient, trio.run),
}


@pytest.fixture(params=WAYS)
def way(request):
    """Makes a client, and runs a test with it."""
    make, run = WAYS[request.param]
    return lambda test, **said: run(lambda: test(make(**said))) if run is trio.run else run(test(make(**said)))


@pytest.fixture(scope="module")
def local(host):
    """The settings of a client of the local host."""
    return {"api_key": "k", "workspace": "local", "run_url": host["BL_RUN_URL"], "api_url": host["BL_API_URL"]}


@pytest.fixture(scope="module")
def box(local):
    """The name of a sandbox that is there."""
    return Client(**local).sandboxes.create(f"box-{uuid.uuid4().hex[:8]}").name
