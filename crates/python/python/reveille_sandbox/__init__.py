"""Sandboxes that sleep: reads survive the resume, mutations never run twice.

A sandbox that nobody uses goes to standby, and the first request wakes it. In that window its gateway refuses or drops
what comes. :class:`Client` speaks to sandboxes under the rules of the Rust client ``reveille``, :class:`AsyncClient` in
an event loop; :class:`Transport` puts any client over httpx under them, and :func:`install` the official package.

>>> import reveille_sandbox
>>> client = reveille_sandbox.Client(api_key="my-key", workspace="acme")
>>> sandbox = client.sandbox("box")             # a handle: nothing is sent
>>> page = sandbox.fetch(3000, "/status")       # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._async_client import AsyncClient, AsyncSandbox
from ._client import Client, Sandbox
from ._errors import (
    ConflictError,
    DeniedError,
    Error,
    InputError,
    InterruptedStreamError,
    NotFoundError,
    SettingsError,
    UnavailableError,
)
from ._native import Attempt, History, Response
from ._records import (
    Change,
    Directory,
    Disconnected,
    Drive,
    DriveMount,
    Ended,
    Execution,
    File,
    Forked,
    Health,
    Image,
    Line,
    Logs,
    Missed,
    Missing,
    Moved,
    Output,
    OutputEvent,
    Preview,
    PreviewToken,
    Process,
    Reconnected,
    Restarted,
    SandboxRecord,
    Schedule,
    ShellEnded,
    Shown,
    Snapshot,
    Socket,
    Stderr,
    Stdout,
    TerminalEvent,
    Volume,
)

if TYPE_CHECKING:
    from ._httpx import AsyncTransport, Transport
    from ._installed import NotInstalledError, install, uninstall

__all__ = [
    "AsyncClient",
    "AsyncSandbox",
    "AsyncTransport",
    "Attempt",
    "Change",
    "Client",
    "ConflictError",
    "DeniedError",
    "Directory",
    "Disconnected",
    "Drive",
    "DriveMount",
    "Ended",
    "Error",
    "Execution",
    "File",
    "Forked",
    "Health",
    "History",
    "Image",
    "InputError",
    "InterruptedStreamError",
    "Line",
    "Logs",
    "Missed",
    "Missing",
    "Moved",
    "NotFoundError",
    "NotInstalledError",
    "Output",
    "OutputEvent",
    "Preview",
    "PreviewToken",
    "Process",
    "Reconnected",
    "Response",
    "Restarted",
    "Sandbox",
    "SandboxRecord",
    "SettingsError",
    "Schedule",
    "ShellEnded",
    "Shown",
    "Snapshot",
    "Socket",
    "Stderr",
    "Stdout",
    "TerminalEvent",
    "Transport",
    "UnavailableError",
    "Volume",
    "install",
    "uninstall",
]

#: What needs httpx, which whoever uses the client alone need not have.
_OVER_HTTPX = {
    "AsyncTransport": "_httpx",
    "Transport": "_httpx",
    "NotInstalledError": "_installed",
    "install": "_installed",
    "uninstall": "_installed",
}


def __getattr__(name: str) -> Any:
    if name in _OVER_HTTPX:
        return getattr(importlib.import_module(f".{_OVER_HTTPX[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
