"""What an event loop has to bring about, whichever it is.

As a program, given the URLs of a server that answers and of one that hangs, it runs this in the loops of the system that
it runs on: where no tests can run, as a Windows that is only imitated.
"""

import asyncio
import platform
import sys

import anyio

from reveille_sandbox import AsyncClient, Client, Error

AT_ONCE = 200


def box(kind, url, **said):
    return kind(api_key="k", workspace="w", run_url=url, **said).sandbox("box")


async def calls(answers, hangs):
    """Calls that succeed, many at once, one that is cancelled, and one that fails."""
    sandbox = box(AsyncClient, answers)
    assert (await sandbox.health()).status == "ok"

    heard = []

    async def one():
        heard.append((await sandbox.health()).status)

    async with anyio.create_task_group() as tasks:
        for _ in range(AT_ONCE):
            tasks.start_soon(one)
    assert heard == ["ok"] * AT_ONCE

    with anyio.move_on_after(0.2) as scope:
        await box(AsyncClient, hangs, probe=False).health()
    assert scope.cancelled_caught

    try:
        await box(AsyncClient, "http://127.0.0.1:9", retries=0, probe=False).fetch(3000, "/")
    except Error as error:
        assert error.fault == "refused", error
    else:
        raise AssertionError("nobody listens there")
    assert (await sandbox.health()).status == "ok"


def in_loops_of(policy):
    """Runs in two loops, one after the other: none is there for the next."""
    asyncio.set_event_loop_policy(policy())
    return lambda main: [asyncio.run(main()) for _ in range(2)]


def here():
    """The loops of this system, by name."""
    if sys.platform == "win32":
        yield "asyncio, proactor", in_loops_of(asyncio.WindowsProactorEventLoopPolicy)
        yield "asyncio, selector", in_loops_of(asyncio.WindowsSelectorEventLoopPolicy)
    else:
        yield "asyncio", in_loops_of(asyncio.DefaultEventLoopPolicy)
    yield "trio", lambda main: [anyio.run(main, backend="trio") for _ in range(2)]


if __name__ == "__main__":
    answers, hangs = sys.argv[1:]
    assert box(Client, answers).health().status == "ok"
    ran = ["threads"]
    for name, run in here():
        run(lambda: calls(answers, hangs))
        ran.append(name)
    print("ran on", platform.system(), platform.machine(), platform.python_version() + ":", "; ".join(ran))
