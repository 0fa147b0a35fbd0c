"""What sandboxes run by the clock, in an event loop of asyncio or trio.

`_schedules.py`, the same for threads, is made of this file by ``crates/python/unasync``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, AsyncIterator, Mapping, Optional

from . import _native
from ._async_storage import listed
from ._calls import finish
from ._options import Options, options_of
from ._records import Execution, Schedule

if TYPE_CHECKING:
    from typing_extensions import Unpack


class AsyncSchedules:
    """The commands that a sandbox runs by the clock; it is woken for them."""

    def __init__(self, sandbox: _native.Sandbox) -> None:
        self._native = _native.Schedules(sandbox)

    async def create(
        self,
        command: str,
        *,
        cron: Optional[str] = None,
        at: Optional[str] = None,
        after: Optional[float] = None,
        id: Optional[str] = None,
        name: Optional[str] = None,
        cwd: Optional[str] = None,
        env: Optional[Mapping[str, str]] = None,
        timeout: Optional[int] = None,
        keep_alive: bool = True,
        remembered: Optional[int] = None,
        **options: Unpack[Options],
    ) -> Schedule:
        """Has the shell of the sandbox run a command then. A mutation.

        :param cron: again and again, by the five fields of cron, in UTC.
        :param at: once, at a time of RFC 3339.
        :param after: once, so many seconds from now.
        :param id: what the schedule is called.
        :param name: what the process is called.
        :param timeout: after how many seconds it is ended, 600 unless told otherwise; 0 is never.
        :param keep_alive: whether the sandbox stays awake while it runs.
        :param remembered: how many executions are remembered, 100 unless told otherwise.
        """
        wanted = {
            "cron": cron,
            "at": at,
            "after": after,
            "id": id,
            "name": name,
            "cwd": cwd,
            "env": dict(env or {}),
            "timeout": timeout,
            "keep_alive": keep_alive,
            "remembered": remembered,
        }
        return Schedule.read(await finish(self._native.create(command, wanted, options_of(options))))

    async def get(self, id: str, **options: Unpack[Options]) -> Schedule:
        """One of them, with its variables masked. A read."""
        return Schedule.read(await finish(self._native.get(id, options_of(options))))

    async def list(self, **options: Unpack[Options]) -> AsyncIterator[Schedule]:
        """All of them, page by page as they are asked for. A read, which wakes nothing."""
        async for schedule in listed(self._native.pages(options_of(options)), Schedule):
            yield schedule

    async def executions(
        self, schedule: Optional[str] = None, **options: Unpack[Options]
    ) -> AsyncIterator[Execution]:
        """When commands were handed to the sandbox, of one schedule or of all, the last first. A read."""
        async for execution in listed(self._native.executions(schedule, options_of(options)), Execution):
            yield execution

    async def delete(self, id: str, **options: Unpack[Options]) -> Schedule:
        """Deletes one; what it runs now goes on. A mutation."""
        return Schedule.read(await finish(self._native.delete(id, options_of(options))))


class AsyncWorkspaceSchedules:
    """What the sandboxes of a workspace run by the clock."""

    def __init__(self, client: _native.Client) -> None:
        self._native = _native.WorkspaceSchedules(client)

    async def list(self, **options: Unpack[Options]) -> AsyncIterator[Schedule]:
        """All of them, page by page as they are asked for. A read."""
        async for schedule in listed(self._native.pages(options_of(options)), Schedule):
            yield schedule

    async def executions(self, **options: Unpack[Options]) -> AsyncIterator[Execution]:
        """When commands were handed to sandboxes, and whether they took them, the last first. A read."""
        async for execution in listed(self._native.executions(options_of(options)), Execution):
            yield execution
