"""What outlives sandboxes, for threads. Whoever waits holds no interpreter.

Made of `_async_storage.py` by ``crates/python/unasync``: change that.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Iterator, Mapping, Optional, Type, Union

from . import _native
from ._options import Options, options_of
from ._records import _R, Drive, Image, Volume

if TYPE_CHECKING:
    from typing_extensions import Unpack


def listed(pages: _native.Values, kind: Type[_R]) -> Iterator[_R]:
    """The records of pages that are read as they are asked for."""
    while True:
        page: Optional[str] = pages.next().wait()
        if page is None:
            return
        for record in kind.read_all(page):
            yield record


class Volumes:
    """The volumes of a workspace: files with lives of their own, each in one sandbox at a time."""

    def __init__(self, client: _native.Client) -> None:
        self._native = _native.Volumes(client)

    def create(
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
        return Volume.read(call.wait())

    def get(self, name: str, **options: Unpack[Options]) -> Volume:
        """One of them. A read."""
        return Volume.read(self._native.get(name, options_of(options)).wait())

    def list(self, **options: Unpack[Options]) -> Iterator[Volume]:
        """All of them, page by page as they are asked for. A read."""
        for volume in listed(self._native.pages(options_of(options)), Volume):
            yield volume

    def resize(self, name: str, size: int, **options: Unpack[Options]) -> Volume:
        """Has one grow to this many megabytes; none can shrink. A mutation."""
        return Volume.read(self._native.resize(name, size, options_of(options)).wait())

    def delete(self, name: str, **options: Unpack[Options]) -> Volume:
        """Deletes one and its files; one that is in a sandbox stays. A mutation."""
        return Volume.read(self._native.delete(name, options_of(options)).wait())


class WorkspaceDrives:
    """The drives of a workspace, which sandboxes mount while they run."""

    def __init__(self, client: _native.Client) -> None:
        self._native = _native.WorkspaceDrives(client)

    def create(self, name: str, **options: Unpack[Options]) -> Drive:
        """Makes an empty one. A mutation."""
        return Drive.read(self._native.create(name, options_of(options)).wait())

    def get(self, name: str, **options: Unpack[Options]) -> Drive:
        """One of them. A read."""
        return Drive.read(self._native.get(name, options_of(options)).wait())

    def list(self, **options: Unpack[Options]) -> Iterator[Drive]:
        """All of them, page by page as they are asked for. A read."""
        for drive in listed(self._native.pages(options_of(options)), Drive):
            yield drive

    def delete(self, name: str, **options: Unpack[Options]) -> Drive:
        """Deletes one and its files; one that is mounted stays. A mutation."""
        return Drive.read(self._native.delete(name, options_of(options)).wait())


class Images:
    """The images that sandboxes are made of."""

    def __init__(self, client: _native.Client) -> None:
        self._native = _native.Images(client)

    def list(self, **options: Unpack[Options]) -> Iterator[Image]:
        """All of them, page by page as they are asked for. A read."""
        for image in listed(self._native.pages(options_of(options)), Image):
            yield image

    def import_archive(
        self, name: str, archive: Union[bytes, str, "os.PathLike[str]"], **options: Unpack[Options]
    ) -> Image:
        """Imports an archive, as bytes or by its path, under a name, in place of what had it before. Only a local host
        knows it: the platform builds its images. A mutation.
        """
        source = archive if isinstance(archive, bytes) else os.fspath(archive)
        return Image.read(self._native.import_(name, source, options_of(options)).wait())

    def delete(self, name: str, **options: Unpack[Options]) -> Image:
        """Removes one that no sandbox is made of. Only a local host knows it. A mutation."""
        return Image.read(self._native.delete(name, options_of(options)).wait())
