"""What can be said of a client."""

from __future__ import annotations

import base64
import contextlib
import os
import pathlib
import re
import ssl
import urllib.parse
from typing import TYPE_CHECKING, Any, List, Optional, Tuple, Union

from . import _native

if TYPE_CHECKING:
    import httpx

Verify = Union[bool, str, ssl.SSLContext]
#: A file with a certificate and its private key, or one of each.
Cert = Union[str, "os.PathLike[str]", Tuple[str, str]]

#: A forward proxy, as httpx names one: its URL, or what holds one with a login.
Proxy = Union[str, "httpx.URL", "httpx.Proxy"]

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
    http2: bool = False,
    proxy: Optional[Proxy] = None,
    trust_env: bool = True,
    **said: Any,
) -> _native.Client:
    """The client of the native half for what was said."""
    unknown = sorted(set(said) - set(_DEFAULTS))
    if unknown:
        raise TypeError(f"there is no such setting: {', '.join(unknown)}")
    checks, trusted = trust(verify)
    shown = None if cert is None else _certificate(cert)
    tls = {"roots": trusted, "checks_certificates": checks, "certificate": shown}
    way = {"proxy": None if proxy is None else _url_of(proxy), "proxies_of_environment": trust_env}
    return _native.Client({**_DEFAULTS, **said, **tls, **way, "http2": http2})


def _url_of(proxy: Proxy) -> str:
    """The URL of a proxy; httpx keeps its login apart."""
    if isinstance(proxy, str):
        return proxy
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
