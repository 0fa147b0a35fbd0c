"""Snapshots, in an event loop of asyncio or trio.

`_snapshots.py`, the same for threads, is made of this file by ``crates/python/unasync``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, AsyncIterator, List, Mapping, Optional

from . import _native
from ._async_storage import listed
from ._calls import finish
from ._options import Options, options_of
from ._records import Forked, Snapshot

if TYPE_CHECKING:
    from typing_extensions import Unpack


class AsyncSandboxSnapshots:
    """What a sandbox was at moments that somebody chose. A local host keeps the files, the platform memory, too."""

    def __init__(self, sandbox: _native.Sandbox) -> None:
        self._native = _native.SandboxSnapshots(sandbox)

    async def create(self, name: str = "", **options: Unpack[Options]) -> Snapshot:
        """Takes one, of this name where one is given. A mutation."""
        return Snapshot.read(await finish(self._native.create(name, options_of(options))))

    async def list(self, **options: Unpack[Options]) -> List[Snapshot]:
        """All of them. A read, which wakes nothing."""
        return Snapshot.read_all(await finish(self._native.list(options_of(options))))

    async def restore(self, snapshot: str, **options: Unpack[Options]) -> None:
        """Puts the sandbox back to one, by its name or its id: what came after is lost. A mutation."""
        await finish(self._native.restore(snapshot, options_of(options)))

    async def delete(self, snapshot: str, **options: Unpack[Options]) -> None:
        """Deletes one, by its name or its id. A mutation."""
        await finish(self._native.delete(snapshot, options_of(options)))


class AsyncSnapshots:
    """The snapshots of a workspace: those of sandboxes that are no more, too."""

    def __init__(self, client: _native.Client) -> None:
        self._native = _native.Snapshots(client)

    async def get(self, id: str, **options: Unpack[Options]) -> Snapshot:
        """One of them. A read."""
        return Snapshot.read(await finish(self._native.get(id, options_of(options))))

    async def list(self, **options: Unpack[Options]) -> AsyncIterator[Snapshot]:
        """All of them, page by page as they are asked for. A read."""
        async for snapshot in listed(self._native.pages(options_of(options)), Snapshot):
            yield snapshot

    async def fork(
        self,
        id: str,
        target: str,
        *,
        env: Optional[Mapping[str, str]] = None,
        port: Optional[int] = None,
        **options: Unpack[Options],
    ) -> Forked:
        """Makes a new sandbox that begins as one of them. A mutation.

        :param env: variables beside those that it begins with, or in place of them.
        :param port: one that it serves.
        """
        as_well = {"env": dict(env or {}), "port": port}
        return Forked.read(await finish(self._native.fork(id, target, as_well, options_of(options))))

    async def delete(self, id: str, **options: Unpack[Options]) -> None:
        """Deletes one. A mutation."""
        await finish(self._native.delete(id, options_of(options)))
