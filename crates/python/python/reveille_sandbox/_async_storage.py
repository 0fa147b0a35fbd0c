"""What outlives sandboxes, in an event loop of asyncio or trio.

`_storage.py`, the same for threads, is made of this file by ``crates/python/unasync``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, AsyncIterator, Mapping, Optional, Type, Union

from . import _native
from ._calls import finish
from ._options import Options, options_of
from ._records import _R, Drive, Image, Volume

if TYPE_CHECKING:
    from typing_extensions import Unpack


async def listed(pages: _native.Values, kind: Type[_R]) -> AsyncIterator[_R]:
    """The records of pages that are read as they are asked for."""
    while True:
        page: Optional[str] = await finish(pages.next())
        if page is None:
            return
        for record in kind.read_all(page):
            yield record


class AsyncVolumes:
    """The volumes of a workspace: files with lives of their own, each in one sandbox at a time."""

    def __init__(self, client: _native.Client) -> None:
        self._native = _native.Volumes(client)

    async def create(
        self,
        name: str,
        *,
        size: Optional[int] = None,
        region: Optional[str] = None,
        labels: Optional[Mapping[str, str]] = None,
        **options: Unpack[Options],
    ) -> Volume:
        """Makes one. A mutation.

        :param size: in megabytes.
        """
        call = self._native.create(name, size, region, dict(labels or {}), options_of(options))
        return Volume.read(await finish(call))

    async def get(self, name: str, **options: Unpack[Options]) -> Volume:
        """One of them. A read."""
        return Volume.read(await finish(self._native.get(name, options_of(options))))

    async def list(self, **options: Unpack[Options]) -> AsyncIterator[Volume]:
        """All of them, page by page as they are asked for. A read."""
        async for volume in listed(self._native.pages(options_of(options)), Volume):
            yield volume

    async def resize(self, name: str, size: int, **options: Unpack[Options]) -> Volume:
        """Has one grow to this many megabytes; none can shrink. A mutation."""
        return Volume.read(await finish(self._native.resize(name, size, options_of(options))))

    async def delete(self, name: str, **options: Unpack[Options]) -> Volume:
        """Deletes one and its files; one that is in a sandbox stays. A mutation."""
        return Volume.read(await finish(self._native.delete(name, options_of(options))))


class AsyncWorkspaceDrives:
    """The drives of a workspace, which sandboxes mount while they run."""

    def __init__(self, client: _native.Client) -> None:
        self._native = _native.WorkspaceDrives(client)

    async def create(self, name: str, **options: Unpack[Options]) -> Drive:
        """Makes an empty one. A mutation."""
        return Drive.read(await finish(self._native.create(name, options_of(options))))

    async def get(self, name: str, **options: Unpack[Options]) -> Drive:
        """One of them. A read."""
        return Drive.read(await finish(self._native.get(name, options_of(options))))

    async def list(self, **options: Unpack[Options]) -> AsyncIterator[Drive]:
        """All of them, page by page as they are asked for. A read."""
        async for drive in listed(self._native.pages(options_of(options)), Drive):
            yield drive

    async def delete(self, name: str, **options: Unpack[Options]) -> Drive:
        """Deletes one and its files; one that is mounted stays. A mutation."""
        return Drive.read(await finish(self._native.delete(name, options_of(options))))


class AsyncImages:
    """The images that sandboxes are made of."""

    def __init__(self, client: _native.Client) -> None:
        self._native = _native.Images(client)

    async def list(self, **options: Unpack[Options]) -> AsyncIterator[Image]:
        """All of them, page by page as they are asked for. A read."""
        async for image in listed(self._native.pages(options_of(options)), Image):
            yield image

    async def import_archive(
        self, name: str, archive: Union[bytes, str, "os.PathLike[str]"], **options: Unpack[Options]
    ) -> Image:
        """Imports an archive, as bytes or by its path, under a name, in place of what had it before. Only a local host
        knows it: the platform builds its images. A mutation.
        """
        source = archive if isinstance(archive, bytes) else os.fspath(archive)
        return Image.read(await finish(self._native.import_(name, source, options_of(options))))

    async def delete(self, name: str, **options: Unpack[Options]) -> Image:
        """Removes one that no sandbox is made of. Only a local host knows it. A mutation."""
        return Image.read(await finish(self._native.delete(name, options_of(options))))
