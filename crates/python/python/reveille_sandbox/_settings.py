"""What can be said of a client."""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import os
import pathlib
import re
import ssl
import urllib.parse
from typing import TYPE_CHECKING, Any, List, Optional, Protocol, Tuple, Union

from . import _native

if TYPE_CHECKING:
    import httpx


Verify = Union[bool, str, ssl.SSLContext]
#: A file with a certificate and its private key, or one of each.
Cert = Union[str, "os.PathLike[str]", Tuple[str, str]]

#: A forward proxy, as httpx names one: its URL, or what holds one with a login.
Proxy = Union[str, "httpx.URL", "httpx.Proxy"]


class Limits(Protocol):
    """How many connections there may be, as an ``httpx.Limits`` says it. ``None`` is no bound."""

    @property
    def max_connections(self) -> Optional[int]: ...
    @property
    def max_keepalive_connections(self) -> Optional[int]: ...
    @property
    def keepalive_expiry(self) -> Optional[float]: ...


#: What a transport of httpx takes and this one cannot do, and what to do instead.
_REFUSED = {
    "uds": "sandboxes are reached by TCP; mount an httpx.HTTPTransport(uds=...) for what is behind a socket",
    "socket_options": "TCP_NODELAY and keep-alive are set; for others mount an httpx.HTTPTransport",
}

#: Everything that can be said. What is not said comes from the environment (``BL_API_KEY``, ``BL_WORKSPACE``,
#: ``BL_RUN_URL``, ...), the platform's config file, or the local host that is running.
_DEFAULTS = {
    "api_key": None,
    "client_credentials": None,
    "workspace": None,
    "api_url": None,
    "run_url": None,
    "region": None,
    "retries": None,
    "standby": False,
    "deadline": None,
    "probe": True,
    "connect_timeout": None,
    "read_timeout": None,
}


def native_client(
    *,
    verify: Verify = True,
    cert: Optional[Cert] = None,
    http1: bool = True,
    http2: Optional[bool] = None,
    limits: Optional[Limits] = None,
    proxy: Optional[Proxy] = None,
    trust_env: bool = True,
    local_address: Optional[str] = None,
    **said: Any,
) -> _native.Client:
    """The client of the native half for what was said."""
    for name in sorted(set(said) & set(_REFUSED)):
        if said.pop(name) is not None:
            raise TypeError(f"{name} is not carried out: {_REFUSED[name]}")
    unknown = sorted(set(said) - set(_DEFAULTS))
    if unknown:
        raise TypeError(f"there is no such setting: {', '.join(unknown)}")
    checks, trusted = trust(verify)
    shown = None if cert is None else _certificate(cert)
    tls = {"roots": trusted, "checks_certificates": checks, "certificate": shown}
    way = {"proxy": None if proxy is None else url_of(proxy), "proxies_of_environment": trust_env}
    how = {
        "http_version": _version(http1, http2),
        "limits": None if limits is None else bounds(limits),
        "local_address": None if local_address is None else str(ipaddress.ip_address(local_address)),
    }
    return _native.Client({**_DEFAULTS, **said, **tls, **way, **how})


def _version(http1: bool, http2: Optional[bool]) -> Optional[int]:
    """The one version of HTTP that is spoken, or what the server prefers."""
    if http1:
        return 1 if http2 is False else None
    if not http2:
        raise ValueError("one version of HTTP has to be spoken: http1=True or http2=True")
    return 2


def bounds(limits: Limits) -> "Tuple[Optional[int], Optional[int], Optional[float]]":
    """How many connections there may be, how many idle, and for how many seconds."""
    most, idle, idle_for = limits.max_connections, limits.max_keepalive_connections, limits.keepalive_expiry
    if most is not None and most < 1:
        raise ValueError(f"nothing can be sent over max_connections={most}: None is no bound")
    if idle is not None and idle < 0:
        raise ValueError(f"max_keepalive_connections={idle} is less than none: None is no bound")
    return most, idle, idle_for


def url_of(proxy: Proxy) -> str:
    """The URL of a proxy; httpx keeps its login apart."""
    if isinstance(proxy, str):
        return proxy
    if getattr(proxy, "headers", None):
        raise ValueError("headers for a proxy are not sent: give its login as auth, or in its URL")
    if getattr(proxy, "ssl_context", None) is not None:
        raise ValueError("a proxy behind TLS is checked as every server is: give its authority as verify")
    url = str(getattr(proxy, "url", proxy))
    login = getattr(proxy, "raw_auth", None)
    if login is None:
        return url
    name, password = (urllib.parse.quote(part, safe="") for part in login)
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{name}:{password}@{rest}"


def trust(verify: Verify) -> Tuple[bool, List[bytes]]:
    """Whether certificates are checked, and by which authorities, as DER, beside the system's."""
    if isinstance(verify, bool):
        return verify, []
    if isinstance(verify, ssl.SSLContext):
        if verify.verify_mode is ssl.CERT_NONE:
            return False, []
        if not verify.check_hostname:
            raise ValueError("a certificate is checked with its name: set check_hostname, or verify=False")
        return True, list(verify.get_ca_certs(binary_form=True))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not os.path.isdir(verify):
        context.load_verify_locations(cafile=verify)
        return True, list(context.get_ca_certs(binary_form=True))
    # What a context loads of a directory it loads when it needs it, and tells nobody.
    for path in sorted(pathlib.Path(verify).iterdir()):
        with contextlib.suppress(ssl.SSLError):
            context.load_verify_locations(cafile=str(path))
    return True, list(context.get_ca_certs(binary_form=True))


_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.S)


def _certificate(cert: Cert) -> Tuple[List[bytes], bytes]:
    """The chain and the private key of PEM files, as DER."""
    paths = [cert] if isinstance(cert, (str, os.PathLike)) else list(cert)
    if len(paths) > 2:
        raise ValueError("a private key behind a password cannot be read: take the password away from its file")
    blocks = [block for path in paths for block in _PEM.findall(pathlib.Path(path).read_text())]
    chain = [base64.b64decode(text) for kind, text in blocks if kind == "CERTIFICATE"]
    keys = [text for kind, text in blocks if kind.endswith("PRIVATE KEY")]
    if not chain or len(keys) != 1 or ":" in keys[0] or any(kind.startswith("ENCRYPTED") for kind, _ in blocks):
        raise ValueError("a certificate is a chain and one private key without a password, as PEM")
    return chain, base64.b64decode(keys[0])
