"""The transport under every client of httpx that the official package ``blaxel`` makes.

Its clients are made in a dozen places, and in others by its next version. So no place is named here: whoever makes a
client of httpx is asked for its module, and what is made within ``blaxel`` gets the transport. What this relies on is
tried when it is installed, by having ``blaxel`` make its clients, so that a version that makes them in another way is
an error then, and no silence later.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import sys
import threading
from typing import Any, Callable, Dict, Iterator, Optional, Tuple, Type

import httpx

from . import _native
from ._httpx import AsyncTransport, Transport
from ._settings import bounds, native_client, trust, url_of

#: Whose clients are meant.
_PACKAGE = "blaxel"


class NotInstalledError(RuntimeError):
    """The official package does not make its clients in a way that this one knows. Nothing was changed."""


class _Installed:
    """What was changed, and how it is undone."""

    def __init__(self, settings: Dict[str, Any]) -> None:
        self._settings = settings
        self._by_tls: Dict[Tuple[Any, ...], _native.Client] = {}
        self._own: Dict[Type[Any], Callable[..., None]] = {}
        self._lock = threading.Lock()

    def put(self) -> None:
        """Takes over the making of clients."""
        for kind, transport in ((httpx.Client, Transport), (httpx.AsyncClient, AsyncTransport)):
            self._own[kind] = kind.__init__
            setattr(kind, "__init__", self._making(kind.__init__, transport))

    def take_away(self) -> None:
        """Gives the making of clients back. Those that are there keep what they have."""
        for kind, own in self._own.items():
            setattr(kind, "__init__", own)
        self._own.clear()

    def _making(self, own: Callable[..., None], transport: Type[Any]) -> Callable[..., None]:
        @functools.wraps(own)
        def make(client: Any, *positional: Any, **named: Any) -> None:
            if named.get("transport") is None and _is_of_the_package(sys._getframe(1)):
                named["transport"] = transport(client=self._client(named))
                # It is ours to go through, and httpx would put a transport of its own before this one.
                named.pop("proxy", None)
            own(client, *positional, **named)

        return make

    def _client(self, said: Dict[str, Any]) -> _native.Client:
        """The client of one of httpx: with connections of its own, where it is bounded, else with those of all."""
        native, limits = self._shared(said), said.get("limits")
        return native if limits is None else native.with_limits(bounds(limits))

    def _shared(self, said: Dict[str, Any]) -> _native.Client:
        """The client that all share who trust the same and go the same way, and what is known of sandboxes by it."""
        verify, cert = said.get("verify", True), said.get("cert")
        way = {name: said[name] for name in ("proxy", "trust_env") if said.get(name) is not None}
        checks, trusted = trust(verify)
        key = (checks, *trusted, cert, way.get("trust_env"), url_of(way["proxy"]) if "proxy" in way else None)
        with self._lock:
            native = self._by_tls.get(key)
            if native is None:
                settings = {**self._settings, **way}
                native = self._by_tls[key] = native_client(verify=verify, cert=cert, **settings)
            return native


def _is_of_the_package(frame: Any) -> bool:
    module: str = frame.f_globals.get("__name__", "")
    # A class of the package's own makes itself by way of httpx's, which is then called from there.
    return module == _PACKAGE or module.startswith(f"{_PACKAGE}.")


_installed: Optional[_Installed] = None
_changing = threading.RLock()


def install(**settings: Any) -> None:
    """Puts the transport under every client of httpx that ``blaxel`` makes from now on.

    Its reads then survive the resume window, and its execs wake their sandbox first and are sent once. The settings
    are those of a transport; where the platform is, ``blaxel`` says. To install twice changes nothing.

    >>> import reveille_sandbox
    >>> reveille_sandbox.install()     # doctest: +SKIP

    :raises NotInstalledError: where ``blaxel`` is not here, or makes its clients in a way that this does not know.
    """
    global _installed
    with _changing:
        if _installed is not None:
            return
        installed = _Installed({**_where_the_platform_is(), **settings})
        installed.put()
        try:
            for made_by, transport in _clients_of_the_package():
                if not isinstance(transport, (Transport, AsyncTransport)):
                    raise NotInstalledError(
                        f"{_version()}: {made_by} has a transport of another kind, {type(transport).__name__}"
                    )
        except BaseException:
            installed.take_away()
            raise
        _installed = installed


def uninstall() -> None:
    """Takes the transport away from clients that are made from now on. Those that are there keep theirs."""
    global _installed
    with _changing:
        if _installed is not None:
            _installed.take_away()
            _installed = None


def _where_the_platform_is() -> Dict[str, Any]:
    """What ``blaxel`` says of it."""
    try:
        settings = importlib.import_module(f"{_PACKAGE}.core.common.settings").settings
        return {"run_url": settings.run_url, "api_url": settings.base_url}
    except (ImportError, AttributeError) as other:
        raise NotInstalledError(f"{_version()}: its settings are not found ({other})") from other


def _clients_of_the_package() -> Iterator[Tuple[str, Any]]:
    """A client from each of the doors of ``blaxel`` through which requests to sandboxes go, by its transport."""
    try:
        default = importlib.import_module(f"{_PACKAGE}.core.sandbox.default.action").SandboxAction
        sync = importlib.import_module(f"{_PACKAGE}.core.sandbox.sync.action").SyncSandboxAction
        types = importlib.import_module(f"{_PACKAGE}.core.sandbox.types")
        models = importlib.import_module(f"{_PACKAGE}.core.client.models")
        box = models.Sandbox(metadata=models.Metadata(name="tried-by-install"), spec=models.SandboxSpec())
        # At an address of its own no credentials are asked for, which could take a request.
        configuration = types.SandboxConfiguration(box, force_url="http://127.0.0.1:9")
        for action in (default(configuration), sync(configuration)):
            name = type(action).__name__
            yield f"{name}.get_client", action.get_client()._transport
            generated = action.get_api_client()
            yield f"{name}.get_api_client", generated.get_httpx_client()._transport
            yield f"{name}.get_api_client", generated.get_async_httpx_client()._transport
    except (ImportError, AttributeError, TypeError) as other:
        raise NotInstalledError(f"{_version()}: it makes its clients in a way that is not known ({other})") from other


def _version() -> str:
    try:
        return f"{_PACKAGE} {importlib.metadata.version(_PACKAGE)}"
    except importlib.metadata.PackageNotFoundError:
        return f"{_PACKAGE}, which is not installed"
