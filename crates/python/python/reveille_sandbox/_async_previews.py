"""The previews of a sandbox, in an event loop of asyncio or trio.

`_previews.py`, the same for threads, is made of this file by ``crates/python/unasync``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, List, Mapping, Optional

from . import _native
from ._calls import finish
from ._options import Options, options_of
from ._records import Preview, PreviewToken

if TYPE_CHECKING:
    from typing_extensions import Unpack


class AsyncPreviews:
    """Doors to the ports of a sandbox, each with a URL of its own."""

    def __init__(self, sandbox: _native.Sandbox) -> None:
        self._native = _native.Previews(sandbox)

    async def create(
        self,
        name: str,
        port: int,
        *,
        public: bool = False,
        prefix: Optional[str] = None,
        ttl: Optional[str] = None,
        expires: Optional[str] = None,
        request_headers: Optional[Mapping[str, str]] = None,
        response_headers: Optional[Mapping[str, str]] = None,
        **options: Unpack[Options],
    ) -> Preview:
        """Opens a port by a URL of its own, for whoever has a token; with ``public`` for everybody. A mutation.

        :param prefix: what its URL is to begin with.
        :param ttl: how long it is open, "1h" say.
        :param expires: until when, RFC 3339.
        """
        wanted = {
            "public": public,
            "prefix": prefix,
            "ttl": ttl,
            "expires": expires,
            "request_headers": dict(request_headers or {}),
            "response_headers": dict(response_headers or {}),
        }
        return Preview.read(await finish(self._native.create(name, port, wanted, options_of(options))))

    async def get(self, name: str, **options: Unpack[Options]) -> Preview:
        """One of them. A read, which wakes nothing."""
        return Preview.read(await finish(self._native.get(name, options_of(options))))

    async def list(self, **options: Unpack[Options]) -> List[Preview]:
        """All of them. A read, which wakes nothing."""
        return Preview.read_all(await finish(self._native.list(options_of(options))))

    async def delete(self, name: str, **options: Unpack[Options]) -> None:
        """Closes one. A mutation."""
        await finish(self._native.delete(name, options_of(options)))

    async def tokens(self, preview: str, **options: Unpack[Options]) -> List[PreviewToken]:
        """The tokens that open a private one. A read."""
        return PreviewToken.read_all(await finish(self._native.tokens(preview, options_of(options))))

    async def create_token(self, preview: str, expires: str, **options: Unpack[Options]) -> PreviewToken:
        """Makes a token that opens a private one until ``expires``, RFC 3339. A mutation."""
        return PreviewToken.read(await finish(self._native.create_token(preview, expires, options_of(options))))

    async def delete_token(self, preview: str, token: str, **options: Unpack[Options]) -> None:
        """Takes a token back, by its name. A mutation."""
        await finish(self._native.delete_token(preview, token, options_of(options)))
