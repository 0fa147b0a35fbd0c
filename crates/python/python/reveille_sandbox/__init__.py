"""Sandboxes that sleep: reads survive the resume, mutations never run twice.

A sandbox that nobody uses goes to standby, and the first request wakes it. In that window its gateway refuses or drops
what comes. :class:`Transport` puts any client over httpx under the rules of the Rust client ``reveille``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

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
from ._native import Attempt, History

if TYPE_CHECKING:
    from ._httpx import AsyncTransport, Transport
    from ._installed import NotInstalledError, install, uninstall

__all__ = [
    "AsyncTransport",
    "Attempt",
    "ConflictError",
    "DeniedError",
    "Error",
    "History",
    "InputError",
    "InterruptedStreamError",
    "NotFoundError",
    "NotInstalledError",
    "SettingsError",
    "Transport",
    "UnavailableError",
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
