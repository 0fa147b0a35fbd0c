"""Why a call brought no result."""

from __future__ import annotations

from typing import Any, Dict, Optional

from ._native import History


class Error(Exception):
    """Why a call brought no result.

    It answers three questions: is the sandbox still asleep (``is_unavailable``), may the request have run
    (``may_have_run``), and what was tried (``history``). Its text is one line that says all of it.
    """

    #: What kind of failure it is: "input", "settings", "unavailable", "denied", "not found", "conflict", "rejected",
    #: "transport", "decode", "interrupted" or "file".
    kind: str
    #: The fault of the last attempt, where it was one: "refused", "reset", "read time-out", ...
    fault: Optional[str]
    #: The status of the last answer, where there was one.
    status: Optional[int]
    #: The method and the path of the request, where one was made.
    method: Optional[str]
    path: Optional[str]
    #: The code under which the platform files the last answer, where it said one.
    code: Optional[str]
    #: The sentence in which whoever answered explained himself.
    explanation: Optional[str]
    #: The last answer's body, up to 4 KiB.
    body: Optional[bytes]
    #: The process that it is about.
    process: Optional[str]
    #: The id under which the server knows the last request.
    request_id: Optional[str]
    #: Why nothing was sent again, where something could have been.
    stop_reason: Optional[str]
    #: How long the server asked to wait, in seconds.
    retry_after: Optional[float]
    #: Whether a request with a side effect may have run although no usable answer came. Look before you repeat it.
    may_have_run: bool
    #: Whether the sandbox, or the way to it, stayed unavailable until the call had to stop.
    is_unavailable: bool
    #: Whether the caller's own retry could help without doing harm.
    is_retryable: bool
    #: Every attempt.
    history: Optional[History]

    def __init__(self, text: str, facts: Optional[Dict[str, Any]] = None) -> None:
        super().__init__(text)
        for name in _FACTS:
            setattr(self, name, (facts or {}).get(name, _FACTS[name]))

    def __reduce__(self) -> Any:
        facts = {name: getattr(self, name) for name in _FACTS if name != "history"}
        return (type(self), (str(self), facts))


_FACTS: Dict[str, Any] = {
    "kind": "other",
    "fault": None,
    "status": None,
    "method": None,
    "path": None,
    "code": None,
    "explanation": None,
    "body": None,
    "process": None,
    "request_id": None,
    "stop_reason": None,
    "retry_after": None,
    "may_have_run": False,
    "is_unavailable": False,
    "is_retryable": False,
    "history": None,
}


class InputError(Error, ValueError):
    """A name, port, path, header or body that cannot be used. Nothing was sent."""


class SettingsError(Error):
    """A setting is missing or cannot be read. Nothing was sent."""


class UnavailableError(Error):
    """The sandbox, or the way to it, stayed unavailable until the call had to stop."""


class DeniedError(Error):
    """The credentials are missing, wrong, or not good for this (401, 402, 403)."""


class NotFoundError(Error):
    """There is no such thing (404)."""


class ConflictError(Error):
    """It is there already, or in a state that forbids this (409)."""


class InterruptedStreamError(Error):
    """A stream, or a list of pages, ended before its end."""


_BY_KIND = {
    "input": InputError,
    "settings": SettingsError,
    "unavailable": UnavailableError,
    "denied": DeniedError,
    "not found": NotFoundError,
    "conflict": ConflictError,
    "interrupted": InterruptedStreamError,
}


def make(text: str, facts: Dict[str, Any]) -> Error:
    """The exception for what the native half tells."""
    return _BY_KIND.get(facts["kind"], Error)(text, facts)
