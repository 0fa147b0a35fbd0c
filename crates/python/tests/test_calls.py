"""How an event loop learns that a call has ended, in loops that watch file descriptors and in those that do not."""

import asyncio
import gc
import pathlib
import subprocess
import sys
import time
import weakref

import loops
import pytest
import trio

from reveille_sandbox import AsyncClient, _calls
from reveille_sandbox._options import options_of


class WatchesNothing(asyncio.SelectorEventLoop):
    """As the usual loop of Windows."""

    def add_reader(self, *_):
        raise NotImplementedError


def in_a_loop_that_watches_nothing(main):
    loop = WatchesNothing()
    try:
        return loop.run_until_complete(main())
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


@pytest.fixture(params=["asyncio", "watches nothing", "trio", "trio on Windows"])
def run(request, monkeypatch):
    """Runs an asynchronous function."""
    if request.param == "trio on Windows":
        monkeypatch.setattr(_calls, "_watched_by_trio", lambda trio: None)
    if request.param.startswith("trio"):
        return trio.run
    return in_a_loop_that_watches_nothing if request.param == "watches nothing" else lambda main: asyncio.run(main())


OK = {"status": 200, "body": '{"status": "ok"}'}


def test_calls_end_in_every_loop(faults, run):
    answers, hangs = faults({"status": 503}, OK), faults({"hang": "after-request"})
    for _ in range(2):
        run(lambda: loops.calls(answers.url, hangs.url))


def test_a_call_that_ends_while_its_loop_is_busy_is_told_of_afterwards(faults, run):
    server = faults(OK)

    async def main():
        begun = _calls.Begun(loops.box(AsyncClient, server.url)._native.health(options_of({})))
        server.arrivals(1)
        until = time.monotonic() + 0.1
        while time.monotonic() < until:
            pass
        return await begun.end()

    assert run(main) is not None


def test_a_loop_that_watches_nothing_is_let_go_of_with_its_thread(faults):
    server = faults(OK)
    gone = []

    async def main():
        gone.append(weakref.ref(asyncio.get_running_loop()))
        await loops.box(AsyncClient, server.url).health()

    def threads():
        names = (thread.read_text() for thread in pathlib.Path("/proc/self/task").glob("*/comm"))
        return sum(name == "reveille bell\n" for name in names)

    for _ in range(3):
        in_a_loop_that_watches_nothing(main)
    gc.collect()
    assert [loop() for loop in gone] == [None] * 3
    until = time.monotonic() + 30
    while threads() and time.monotonic() < until:
        # What a thread lets go of without the interpreter goes when somebody has it.
        asyncio.run(main())
        gc.collect()
    assert threads() == 0


ENDS = """
import asyncio, sys, reveille_sandbox
class Loop(asyncio.SelectorEventLoop):
    def add_reader(self, *_):
        raise NotImplementedError
def sandbox(url):
    return reveille_sandbox.AsyncClient(api_key="k", workspace="w", run_url=url, probe=False).sandbox("box")
async def main():
    asyncio.ensure_future(sandbox(sys.argv[2]).health())
    for _ in range(20):
        await sandbox(sys.argv[1]).health()
    [asyncio.ensure_future(sandbox(sys.argv[1]).health()) for _ in range(50)]
    await asyncio.sleep(0)
loop = Loop()
loop.run_until_complete(main())
if "close" in sys.argv:
    loop.close()
"""


@pytest.mark.parametrize("how", ["close", "leave"])
def test_the_interpreter_ends_while_calls_end(faults, how):
    answers, hangs = faults(OK), faults({"hang": "after-request"})
    command = [sys.executable, "-W", "ignore", "-c", ENDS, answers.url, hangs.url, how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "panicked" not in done.stderr and "Unraisable" not in done.stderr
