"""A shell at a terminal: each test is written once, for a thread and the event loops."""

import uuid

import pytest

import reveille_sandbox
from reveille_sandbox import ShellEnded, Shown


async def screen(terminal):
    """All that appears until the shell ends, and how it ended."""
    shown, ended = b"", None
    async for event in terminal:
        if isinstance(event, Shown):
            shown += event.data
        if isinstance(event, ShellEnded):
            ended = event
    return shown, ended


def test_what_is_typed_runs_and_the_end_says_how(local, box, way):
    async def test(client):
        async with client.sandbox(box).terminal(size=(100, 30), cwd="/tmp") as terminal:
            assert terminal.is_exact
            await terminal.send("stty size; pwd; echo $((6*7))\nexit 3\n")
            shown, ended = await screen(terminal)
        assert b"30 100" in shown and b"/tmp" in shown and b"42" in shown, shown
        assert ended == ShellEnded(3, None)

    way(test, **local)


def test_a_command_runs_at_a_terminal_whose_window_changes(local, box, way):
    async def test(client):
        command = "trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.1; done"
        async with client.sandbox(box).terminal(command=command) as terminal:
            shown = b""
            async for event in terminal:
                shown += event.data if isinstance(event, Shown) else b""
                if b"ready" in shown:
                    break
            terminal.resize(111, 22)
            rest, ended = await screen(terminal)
        assert b"22 111" in rest and ended == ShellEnded(0, None), rest

    way(test, **local)


def test_a_session_that_was_left_is_found_again_after_a_nap(local, box, way):
    async def test(client):
        session = f"s-{uuid.uuid4().hex[:8]}"
        async with client.sandbox(box).terminal(session=session) as terminal:
            assert terminal.session == session
            await terminal.send("kept=here; echo set-$((1+1))\n")
            shown = b""
            async for event in terminal:
                shown += event.data if isinstance(event, Shown) else b""
                if b"set-2" in shown:
                    break
        await client.sandboxes.sleep(box)
        async with client.sandbox(box).terminal(session=session) as terminal:
            await terminal.send("echo $kept; exit\n")
            shown, ended = await screen(terminal)
        assert b"here" in shown and ended == ShellEnded(0, None), shown

    way(test, **local)


def test_a_shell_that_is_not_there_is_an_error(local, box, way):
    async def test(client):
        with pytest.raises(reveille_sandbox.Error):
            async with client.sandbox(box).terminal(shell="/no/such/shell") as terminal:
                await screen(terminal)

    way(test, **local)
