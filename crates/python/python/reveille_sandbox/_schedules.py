"""What sandboxes run by the clock, for threads. Whoever waits holds no interpreter.

Made of `_async_schedules.py` by ``crates/python/unasync``: change that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator, Mapping, Optional

from . import _native
from ._storage import listed
from ._options import Options, options_of
from ._records import Execution, Schedule

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Schedules:
    """The commands that a sandbox runs by the clock; it is woken for them."""

    def __init__(self, sandbox: _native.Sandbox) -> None:
        self._native = _native.Schedules(sandbox)

    def create(
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
        return Schedule.read(self._native.create(command, wanted, options_of(options)).wait())

    def get(self, id: str, **options: Unpack[Options]) -> Schedule:
        """One of them, with its variables masked. A read."""
        return Schedule.read(self._native.get(id, options_of(options)).wait())

    def list(self, **options: Unpack[Options]) -> Iterator[Schedule]:
        """All of them, page by page as they are asked for. A read, which wakes nothing."""
        for schedule in listed(self._native.pages(options_of(options)), Schedule):
            yield schedule

    def executions(
        self, schedule: Optional[str] = None, **options: Unpack[Options]
    ) -> Iterator[Execution]:
        """When commands were handed to the sandbox, of one schedule or of all, the last first. A read."""
        for execution in listed(self._native.executions(schedule, options_of(options)), Execution):
            yield execution

    def delete(self, id: str, **options: Unpack[Options]) -> Schedule:
        """Deletes one; what it runs now goes on. A mutation."""
        return Schedule.read(self._native.delete(id, options_of(options)).wait())


class WorkspaceSchedules:
    """What the sandboxes of a workspace run by the clock."""

    def __init__(self, client: _native.Client) -> None:
        self._native = _native.WorkspaceSchedules(client)

    def list(self, **options: Unpack[Options]) -> Iterator[Schedule]:
        """All of them, page by page as they are asked for. A read."""
        for schedule in listed(self._native.pages(options_of(options)), Schedule):
            yield schedule

    def executions(self, **options: Unpack[Options]) -> Iterator[Execution]:
        """When commands were handed to sandboxes, and whether they took them, the last first. A read."""
        for execution in listed(self._native.executions(options_of(options)), Execution):
            yield execution
