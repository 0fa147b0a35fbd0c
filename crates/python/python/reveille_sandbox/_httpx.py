"""A transport for httpx: requests to sandboxes survive the resume window, and every other goes out as it is."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, AsyncIterator, Dict, Iterator, Optional, Tuple, Type

try:
    import httpx
except ImportError as missing:
    raise ImportError("the transport is one for httpx: pip install 'reveille-sandbox[httpx]'") from missing

from . import _native
from ._calls import Begun, finish
from ._errors import Error
from ._settings import Cert, Limits, Proxy, Verify, native_client

_Timeouts = Dict[str, Optional[float]]

_FAULTS: Dict[str, Type[httpx.TransportError]] = {
    "not resolved": httpx.ConnectError,
    "refused": httpx.ConnectError,
    "unreachable": httpx.ConnectError,
    "handshake broken": httpx.ConnectError,
    "tls refused": httpx.ConnectError,
    "local fault": httpx.ConnectError,
    "connect time-out": httpx.ConnectTimeout,
    "pool time-out": httpx.PoolTimeout,
    "proxy refused": httpx.ProxyError,
    "reset": httpx.ReadError,
    "closed": httpx.RemoteProtocolError,
    "body cut": httpx.RemoteProtocolError,
    "no http": httpx.RemoteProtocolError,
    "goaway": httpx.RemoteProtocolError,
    "stream refused": httpx.RemoteProtocolError,
    "stream reset": httpx.RemoteProtocolError,
    "answer too large": httpx.RemoteProtocolError,
    "read time-out": httpx.ReadTimeout,
    "silent": httpx.ReadTimeout,
    "attempt time-out": httpx.ReadTimeout,
    "deadline": httpx.ReadTimeout,
    "not sent": httpx.WriteError,
    "cannot be sent": httpx.LocalProtocolError,
    "request body broken": httpx.LocalProtocolError,
}


def _fitting(error: Error) -> Type[httpx.TransportError]:
    """Which of httpx's exceptions says what happened."""
    if error.fault is not None:
        return _FAULTS.get(error.fault, httpx.NetworkError)
    if error.kind in ("input", "settings"):
        return httpx.LocalProtocolError
    # Nothing was sent, as the sandbox did not wake in time.
    return httpx.ConnectTimeout if error.stop_reason == "no word" else httpx.RemoteProtocolError


@contextmanager
def _as_httpx(request: httpx.Request) -> Iterator[None]:
    try:
        yield
    except Error as error:
        raise _fitting(error)(str(error), request=request) from error


def _send(
    call: _native.Call[_native.Answer], sender: _native.BodySender, request: httpx.Request, write: Optional[float]
) -> _native.Answer:
    """Sends a body as its stream gives it. An answer that comes before its end does not end it."""
    call.start()
    try:
        for piece in request.stream:  # type: ignore[union-attr]
            if not _is_wanted(sender.push(bytes(piece), write), request):
                break
        else:
            _is_wanted(sender.end(write), request)
    except BaseException:
        call.cancel()
        raise
    return call.wait()


def _is_wanted(pushed: "bool | _native.Call[bool]", request: httpx.Request) -> bool:
    if not isinstance(pushed, _native.Call):
        return pushed
    try:
        return pushed.wait()
    except TimeoutError as late:
        raise httpx.WriteTimeout(str(late), request=request) from late


async def _send_async(
    call: _native.Call[_native.Answer], sender: _native.BodySender, request: httpx.Request, write: Optional[float]
) -> _native.Answer:
    begun = Begun(call)
    try:
        async for piece in request.stream:  # type: ignore[union-attr]
            if not await _is_wanted_async(sender.push(bytes(piece), write), request):
                break
        else:
            await _is_wanted_async(sender.end(write), request)
    except BaseException:
        begun.cancel()
        raise
    return await begun.end()


async def _is_wanted_async(pushed: "bool | _native.Call[bool]", request: httpx.Request) -> bool:
    if not isinstance(pushed, _native.Call):
        return pushed
    try:
        return await finish(pushed)
    except TimeoutError as late:
        raise httpx.WriteTimeout(str(late), request=request) from late


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: _native.Answer, request: httpx.Request) -> None:
        self._answer = answer
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        with _as_httpx(self._request):
            while True:
                piece = self._answer.next()
                if isinstance(piece, _native.Call):
                    piece = piece.wait()
                if piece is None:
                    return
                yield piece

    def close(self) -> None:
        self._answer.close()


class _AsyncBody(httpx.AsyncByteStream):
    def __init__(self, answer: _native.Answer, request: httpx.Request) -> None:
        self._answer = answer
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx(self._request):
            while True:
                piece = self._answer.next()
                if isinstance(piece, _native.Call):
                    piece = await finish(piece)
                if piece is None:
                    return
                yield piece

    async def aclose(self) -> None:
        self._answer.close()


class _ToNative:
    """What both transports do with a request before it is sent, and with an answer after that."""

    _client: _native.Client

    def __init__(
        self,
        *,
        verify: Verify = True,
        cert: Optional[Cert] = None,
        trust_env: bool = True,
        http1: bool = True,
        http2: Optional[bool] = None,
        limits: Optional[Limits] = None,
        proxy: Optional[Proxy] = None,
        local_address: Optional[str] = None,
        client: Optional[_native.Client] = None,
        **settings: Any,
    ) -> None:
        self._client = client or native_client(
            verify=verify,
            cert=cert,
            trust_env=trust_env,
            http1=http1,
            http2=http2,
            limits=limits,
            proxy=proxy,
            local_address=local_address,
            **settings,
        )

    def _call(
        self, request: httpx.Request, timeouts: _Timeouts
    ) -> "Tuple[_native.Call[_native.Answer], Optional[_native.BodySender]]":
        if request.url.scheme not in ("http", "https"):
            raise httpx.UnsupportedProtocol(
                f"a URL has to begin with http:// or https://, and not {request.url.scheme!r}", request=request
            )
        url = f"{request.url.scheme}://{request.url.netloc.decode('ascii')}{request.url.raw_path.decode('ascii')}"
        whole = request.stream if isinstance(request.stream, httpx.ByteStream) else None
        body = b"".join(whole) if whole is not None else None
        bounds = (timeouts.get("connect"), timeouts.get("read"), timeouts.get("pool"))
        try:
            return _native.send(self._client, request.method.encode("ascii"), url, request.headers.raw, body, bounds)
        except ValueError as refused:
            raise httpx.LocalProtocolError(str(refused), request=request) from refused

    @staticmethod
    def _response(answer: _native.Answer, stream: Any) -> httpx.Response:
        extensions = {"http_version": answer.version.encode("ascii"), "reveille": answer.history}
        return httpx.Response(answer.status, headers=answer.headers, stream=stream, extensions=extensions)


def _timeouts(request: httpx.Request) -> _Timeouts:
    return request.extensions.get("timeout") or {}


class Transport(_ToNative, httpx.BaseTransport):
    """A transport for ``httpx.Client``.

    >>> import httpx, reveille_sandbox
    >>> with httpx.Client(transport=reveille_sandbox.Transport()) as client:
    ...     page = client.get("https://run.blaxel.ai/acme/sandboxes/box/port/3000/status")  # doctest: +SKIP
    ...     print(page.status_code, page.extensions["reveille"])                            # doctest: +SKIP
    200 503, 200
    """

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends a request, and its body as it comes."""
        timeouts = _timeouts(request)
        call, sender = self._call(request, timeouts)
        with _as_httpx(request):
            if sender is None:
                answer = call.wait()
            else:
                answer = _send(call, sender, request, timeouts.get("write"))
        return self._response(answer, _Body(answer, request))

    def close(self) -> None:
        """Nothing: connections end with whoever shares them last."""


class AsyncTransport(_ToNative, httpx.AsyncBaseTransport):
    """The same for ``httpx.AsyncClient``, in an event loop of asyncio or trio."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends a request, and its body as it comes."""
        timeouts = _timeouts(request)
        call, sender = self._call(request, timeouts)
        with _as_httpx(request):
            if sender is None:
                answer = await finish(call)
            else:
                answer = await _send_async(call, sender, request, timeouts.get("write"))
        return self._response(answer, _AsyncBody(answer, request))

    async def aclose(self) -> None:
        """Nothing: connections end with whoever shares them last."""
