"""What can be said of one call."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Tuple, TypedDict, Union
from urllib.parse import urlencode


class Options(TypedDict, total=False):
    """What can be said of one call.

    ``deadline``: ends it after so many seconds, whatever it is doing. ``retries``: how often it is sent again at the
    most. ``probe=False``: sends nothing but the call itself.
    """

    deadline: Optional[float]
    retries: Optional[int]
    probe: bool


def options_of(said: Mapping[str, Any]) -> Dict[str, Any]:
    """What was said of a call, for the native half."""
    unknown = sorted(set(said) - {"deadline", "retries", "probe"})
    if unknown:
        raise TypeError(f"a call knows deadline, retries and probe, and no {', '.join(unknown)}")
    return {"deadline": None, "retries": None, "probe": True, **said}


Pairs = Union[Mapping[str, str], List[Tuple[str, str]]]


def asked(
    method: str,
    headers: Optional[Pairs],
    params: Optional[Pairs],
    content: Union[bytes, str, None],
    data: Optional[Pairs],
    json: Any,
    replay: Optional[str],
) -> Dict[str, Any]:
    """A request to an app, for the native half."""
    import json as to_json

    headers = _pairs(headers)
    if json is not None:
        content = to_json.dumps(json, ensure_ascii=False)
        headers = _with_kind(headers, "application/json")
    elif data is not None:
        content = urlencode(_pairs(data))
        headers = _with_kind(headers, "application/x-www-form-urlencoded")
    if isinstance(content, str):
        content = content.encode("utf-8")
    return {
        "method": method,
        "headers": headers,
        "query": _pairs(params),
        "content": None if content is None else bytes(content),
        "replay": replay,
    }


def _pairs(said: Optional[Pairs]) -> List[Tuple[str, str]]:
    if said is None:
        return []
    return list(said.items()) if isinstance(said, Mapping) else list(said)


def _with_kind(headers: List[Tuple[str, str]], kind: str) -> List[Tuple[str, str]]:
    if any(name.lower() == "content-type" for name, _ in headers):
        return headers
    return [*headers, ("content-type", kind)]


def path_of(path: Union[str, bytes, "Any"]) -> bytes:
    """A path in a sandbox, which may hold any bytes but zero."""
    import os

    return os.fsencode(path)
