"""What can be said of a client."""

from __future__ import annotations

import os
import ssl
from typing import Any, List, Optional, Tuple, Union

from . import _native

Verify = Union[bool, str, ssl.SSLContext]

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


def native_client(*, verify: Verify = True, http2: bool = False, **said: Any) -> _native.Client:
    """The client of the native half for what was said."""
    unknown = sorted(set(said) - set(_DEFAULTS))
    if unknown:
        raise TypeError(f"there is no such setting: {', '.join(unknown)}")
    return _native.Client({**_DEFAULTS, **said, "http2": http2, "roots": roots(verify)})


def roots(verify: Verify) -> List[bytes]:
    """The certificate authorities, as DER, that are trusted beside the system's."""
    if verify is True:
        return []
    if isinstance(verify, ssl.SSLContext):
        if verify.verify_mode is not ssl.CERT_REQUIRED or not verify.check_hostname:
            raise ValueError("certificates are always checked: this context does not")
        return list(verify.get_ca_certs(binary_form=True))
    if verify is False:
        raise ValueError("certificates are always checked: name the authority to trust in place of verify=False")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if os.path.isdir(verify):
        context.load_verify_locations(capath=verify)
    else:
        context.load_verify_locations(cafile=verify)
    return list(context.get_ca_certs(binary_form=True))
