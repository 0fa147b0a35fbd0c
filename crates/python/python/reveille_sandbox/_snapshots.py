"""Snapshots, for threads. Whoever waits holds no interpreter.

Made of `_async_snapshots.py` by ``crates/python/unasync``: change that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator, List, Mapping, Optional

from . import _native
from ._storage import listed
from ._options import Options, options_of
from ._records import Forked, Snapshot

if TYPE_CHECKING:
    from typing_extensions import Unpack


class SandboxSnapshots:
    """What a sandbox was at moments that somebody chose. A local host keeps the files, the platform memory, too."""

    def __init__(self, sandbox: _native.Sandbox) -> None:
        self._native = _native.SandboxSnapshots(sandbox)

    def create(self, name: str = "", **options: Unpack[Options]) -> Snapshot:
        """Takes one, of this name where one is given. A mutation."""
        return Snapshot.read(self._native.create(name, options_of(options)).wait())

    def list(self, **options: Unpack[Options]) -> List[Snapshot]:
        """All of them. A read, which wakes nothing."""
        return Snapshot.read_all(self._native.list(options_of(options)).wait())

    def restore(self, snapshot: str, **options: Unpack[Options]) -> None:
        """Puts the sandbox back to one, by its name or its id: what came after is lost. A mutation."""
        self._native.restore(snapshot, options_of(options)).wait()

    def delete(self, snapshot: str, **options: Unpack[Options]) -> None:
        """Deletes one, by its name or its id. A mutation."""
        self._native.delete(snapshot, options_of(options)).wait()


class Snapshots:
    """The snapshots of a workspace: those of sandboxes that are no more, too."""

    def __init__(self, client: _native.Client) -> None:
        self._native = _native.Snapshots(client)

    def get(self, id: str, **options: Unpack[Options]) -> Snapshot:
        """One of them. A read."""
        return Snapshot.read(self._native.get(id, options_of(options)).wait())

    def list(self, **options: Unpack[Options]) -> Iterator[Snapshot]:
        """All of them, page by page as they are asked for. A read."""
        for snapshot in listed(self._native.pages(options_of(options)), Snapshot):
            yield snapshot

    def fork(
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
        return Forked.read(self._native.fork(id, target, as_well, options_of(options)).wait())

    def delete(self, id: str, **options: Unpack[Options]) -> None:
        """Deletes one. A mutation."""
        self._native.delete(id, options_of(options)).wait()
