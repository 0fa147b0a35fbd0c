"""The transport for httpx, in a thread and in the event loops of asyncio and trio."""

import asyncio
import contextlib
import hashlib
import os
import resource
import signal
import socket
import ssl
import subprocess
import sys
import threading

import httpx
import pytest
import trio
import trustme

import reveille_sandbox
from reveille_sandbox import AsyncTransport, Transport

WAITS_FOR_NOTHING = {"api_key": "k", "workspace": "acme"}


def settings(server, **more):
    return {**WAITS_FOR_NOTHING, "run_url": server.url, "api_url": f"{server.url}/v0", **more}


def in_a_thread(request, **said):
    with httpx.Client(transport=Transport(**said)) as client:
        return request_with(client, request)


def request_with(client, request):
    request = dict(request)
    return client.request(request.pop("method", "GET"), request.pop("url"), **request)


async def in_a_loop(request, **said):
    async with httpx.AsyncClient(transport=AsyncTransport(**said)) as client:
        return await request_with(client, request)


WAYS = {
    "thread": in_a_thread,
    "asyncio": lambda request, **said: asyncio.run(in_a_loop(request, **said)),
    "trio": lambda request, **said: trio.run(lambda: in_a_loop(request, **said)),
}


@pytest.fixture(params=WAYS)
def way(request):
    return WAYS[request.param]


def test_a_read_survives_the_window(faults, way):
    server = faults({"status": 503}, {"status": 200, "body": "awake"})
    page = way({"url": f"{server.sandbox}/port/3000/status?a=%20b"}, **settings(server, probe=False))
    assert (page.status_code, page.text) == (200, "awake")
    history = page.extensions["reveille"]
    assert (len(history), str(history)) == (2, "503, 200")
    assert [(it.status, it.fault) for it in history.attempts] == [(503, None), (200, None)]
    assert {it["target"] for it in server.arrivals(2)} == {"/acme/sandboxes/box/port/3000/status?a=%20b"}


def test_a_mutation_wakes_its_sandbox_first_and_is_sent_once(faults, way):
    server = faults({"status": 503, "for_ms": 100}, {"status": 200, "body": "done"})
    order = {"method": "POST", "url": f"{server.sandbox}/process", "json": {"command": "ls"}}
    order["headers"] = {"x-blaxel-authorization": "Bearer theirs"}
    done = way(order, **settings(server))
    assert (done.text, len(done.extensions["reveille"])) == ("done", 1)
    arrivals = server.end()
    assert [it["method"] for it in arrivals].count("POST") == 1
    assert all(["x-blaxel-authorization", "Bearer theirs"] in it["headers"] for it in arrivals)


def test_a_request_elsewhere_is_sent_once_as_it_is(faults, way):
    server = faults({"status": 503, "body": "no"})
    page = way({"url": f"{server.url}/elsewhere"}, **WAITS_FOR_NOTHING)
    assert (page.status_code, page.text, str(page.extensions["reveille"])) == (503, "no", "503")
    assert len(server.end()) == 1


def test_what_httpx_says_of_the_request_arrives(faults, way):
    server = faults({"status": 200})
    way({"method": "PUT", "url": f"{server.url}/a", "content": b"x", "headers": {"x-own": "1"}}, **WAITS_FOR_NOTHING)
    (arrival,) = server.arrivals(1)
    said = {name.lower(): value for name, value in arrival["headers"]}
    assert arrival["method"] == "PUT" and said["x-own"] == "1" and said["content-length"] == "1"
    assert said["user-agent"].startswith("python-httpx/")


@pytest.mark.parametrize(
    "step, expected",
    [
        ({"reset": "after-request"}, httpx.ReadError),
        ({"close": "after-request"}, httpx.RemoteProtocolError),
        ({"garbage": "after-request"}, httpx.RemoteProtocolError),
        ({"hang": "after-request"}, httpx.ReadTimeout),
    ],
)
def test_a_break_is_the_exception_that_httpx_has_for_it(faults, way, step, expected):
    server = faults(step)
    read = 0.2 if "hang" in step else 60
    order = {"method": "POST", "url": f"{server.sandbox}/process", "timeout": httpx.Timeout(60, read=read)}
    with pytest.raises(expected) as raised:
        way(order, **settings(server, probe=False))
    cause = raised.value.__cause__
    assert isinstance(cause, reveille_sandbox.Error)
    assert cause.may_have_run and len(cause.history) == 1
    assert raised.value.request.method == "POST"


def test_a_refused_connection_is_a_connect_error_and_did_not_run(way):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(httpx.ConnectError) as raised:
            way({"method": "POST", "url": f"http://127.0.0.1:{taken.getsockname()[1]}/"}, **WAITS_FOR_NOTHING)
    assert not raised.value.__cause__.may_have_run


def test_a_sandbox_that_does_not_wake_leaves_a_mutation_unsent(faults, way):
    server = faults({"status": 503})
    order = {"method": "POST", "url": f"{server.sandbox}/process"}
    with pytest.raises(httpx.ConnectTimeout) as raised:
        way(order, **settings(server, deadline=0.3))
    cause = raised.value.__cause__
    assert cause.is_unavailable and not cause.may_have_run and cause.stop_reason == "no word"
    assert all(it["method"] == "GET" for it in server.end())


def test_connecting_takes_no_longer_than_it_may(way):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(httpx.ConnectTimeout):
            way({"url": url, "timeout": httpx.Timeout(None, connect=0.2)}, **WAITS_FOR_NOTHING)


def test_a_body_that_nobody_takes_is_a_write_time_out(way):
    def endless():
        while True:
            yield b"x" * 65536

    async def endless_in_a_loop():
        for piece in endless():
            yield piece

    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        content = endless() if way is in_a_thread else endless_in_a_loop()
        order = {"method": "POST", "url": url, "content": content, "timeout": httpx.Timeout(None, write=0.3)}
        with pytest.raises(httpx.WriteTimeout):
            way(order, **WAITS_FOR_NOTHING)


def test_a_scheme_that_is_none_of_http_is_refused(way):
    with pytest.raises(httpx.UnsupportedProtocol):
        way({"url": "ftp://example.com/"}, **WAITS_FOR_NOTHING)


@pytest.mark.parametrize("headers", [{}, {"content-length": "300000"}])
def test_a_body_is_sent_piece_by_piece(faults, way, headers):
    def pieces():
        yield from (b"abc" * 10000 for _ in range(10))

    async def pieces_in_a_loop():
        for piece in pieces():
            yield piece

    server = faults({"status": 200})
    content = pieces() if way is in_a_thread else pieces_in_a_loop()
    way({"method": "PUT", "url": f"{server.sandbox}/x", "content": content, "headers": headers}, **settings(server, probe=False))
    (arrival,) = server.arrivals(1)
    assert arrival["body"] == {"complete": True, "length": 300000, "sha256": hashlib.sha256(b"abc" * 100000).hexdigest()}


def test_a_body_that_cannot_be_made_breaks_the_request_off(faults, way):
    class Mine(Exception):
        pass

    def breaks():
        yield b"a"
        raise Mine

    async def breaks_in_a_loop():
        yield b"a"
        raise Mine

    server = faults({"status": 200})
    content = breaks() if way is in_a_thread else breaks_in_a_loop()
    with pytest.raises(Mine):
        way({"method": "POST", "url": f"{server.url}/x", "content": content}, **WAITS_FOR_NOTHING)
    assert not any(it["body"]["complete"] for it in server.end())


class Big:
    """A server of 100 MB for every GET, by raw sockets; a break after ``cut`` bytes where that is said."""

    LENGTH = 100 * 1024 * 1024

    def __init__(self, cut=None):
        self.cut = cut
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with peer:
                peer.recv(65536)
                peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % self.LENGTH)
                left = self.LENGTH if self.cut is None else self.cut
                try:
                    while left:
                        left -= peer.send(bytes(min(left, 1 << 20)))
                except OSError:
                    pass


@pytest.fixture
def big():
    server = Big()
    yield server
    server.listener.close()


def test_a_large_answer_comes_with_flat_memory(big):
    with httpx.Client(transport=Transport(**WAITS_FOR_NOTHING)) as client:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with client.stream("GET", big.url) as page:
            read = sum(len(piece) for piece in page.iter_raw())
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert read == Big.LENGTH
    assert after - before < 32 * 1024, "kilobytes"


def test_a_large_answer_comes_in_a_loop(big):
    async def main():
        async with httpx.AsyncClient(transport=AsyncTransport(**WAITS_FOR_NOTHING)) as client:
            async with client.stream("GET", big.url) as page:
                return sum([len(piece) async for piece in page.aiter_raw()])

    assert asyncio.run(main()) == trio.run(main) == Big.LENGTH


@pytest.mark.parametrize("cut", [0, 1, 70000])
def test_an_answer_that_breaks_off_is_never_taken_for_a_whole_one(way, cut):
    server = Big(cut)
    try:
        with pytest.raises(httpx.RemoteProtocolError):
            way({"url": server.url}, **WAITS_FOR_NOTHING)
    finally:
        server.listener.close()


def test_an_answer_that_is_let_go_of_ends_its_transfer(big):
    with httpx.Client(transport=Transport(**WAITS_FOR_NOTHING)) as client:
        for _ in range(3):
            with client.stream("GET", big.url) as page:
                next(page.iter_raw())


def test_silence_within_a_body_is_a_read_time_out(way):
    def serve(listener):
        peer, _ = listener.accept()
        peer.recv(65536)
        peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")
        peer.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(httpx.ReadTimeout):
            way({"url": url, "timeout": httpx.Timeout(None, read=0.3)}, **WAITS_FOR_NOTHING)


def test_http2_is_spoken_where_it_is_said(faults, way):
    server = faults({"status": 200, "body": "two"})
    page = way({"url": f"{server.url}/"}, http1=False, http2=True, **WAITS_FOR_NOTHING)
    assert (page.http_version, page.text) == ("HTTP/2", "two")
    # As httpx does: in the clear nobody offers anything, so that it takes more to say than that it may be.
    assert way({"url": f"{server.url}/"}, http2=True, **WAITS_FOR_NOTHING).http_version == "HTTP/1.1"
    with pytest.raises(ValueError, match="http1=True or http2=True"):
        Transport(http1=False)


@pytest.mark.parametrize(
    "said, offered",
    [({}, ["h2", "http/1.1"]), ({"http2": True}, ["h2", "http/1.1"]), ({"http2": False}, ["http/1.1"]),
     ({"http1": False, "http2": True}, ["h2"])],
)
def test_versions_are_offered_to_a_server_behind_tls_as_they_are_said(way, said, offered):
    authority = trustme.CA()
    for spoken in ("h2", "http/1.1"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        context.set_alpn_protocols([spoken])
        chosen = []
        with serving(context, chosen) as url:
            with contextlib.suppress(httpx.TransportError):
                way({"url": url, "timeout": 5}, verify=False, **said, **WAITS_FOR_NOTHING)
        assert set(chosen) <= {spoken if spoken in offered else None}, chosen


class Crowded:
    """A server that answers when it is let, and counts how many requests it has at a time."""

    def __init__(self):
        self.let_go = threading.Event()
        self.connections = self.at_a_time = self.most = 0
        self._change = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        with peer:
            while peer.recv(65536):
                with self._change:
                    self.at_a_time += 1
                    self.most = max(self.most, self.at_a_time)
                    self._change.notify_all()
                self.let_go.wait()
                with self._change:
                    self.at_a_time -= 1
                peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    def wait(self, number):
        with self._change:
            assert self._change.wait_for(lambda: self.at_a_time == number, timeout=30)


@pytest.fixture
def crowded():
    server = Crowded()
    yield server
    server.let_go.set()
    server._listener.close()


ONE = httpx.Limits(max_connections=1)


def test_whoever_waits_too_long_for_a_connection_gets_a_pool_time_out(crowded):
    with httpx.Client(transport=Transport(limits=ONE, **WAITS_FOR_NOTHING), timeout=None) as client:
        first = threading.Thread(target=client.get, args=(crowded.url,))
        first.start()
        crowded.wait(1)
        for pool in (0, 0.05):
            with pytest.raises(httpx.PoolTimeout) as raised:
                client.get(crowded.url, timeout=httpx.Timeout(None, pool=pool))
        assert not raised.value.__cause__.may_have_run
        crowded.let_go.set()
        first.join()
        assert client.get(crowded.url).text == "ok"
    assert (crowded.most, crowded.connections) == (1, 1)


def test_so_in_a_loop_and_a_read_time_out_is_none_of_it(crowded):
    async def main(sleep, spawn):
        async with httpx.AsyncClient(transport=AsyncTransport(limits=ONE, **WAITS_FOR_NOTHING), timeout=None) as client:
            first = spawn(client.get, crowded.url)
            while crowded.at_a_time < 1:
                await sleep(0.01)
            with pytest.raises(httpx.PoolTimeout):
                await client.get(crowded.url, timeout=httpx.Timeout(None, pool=0.05))
            with pytest.raises(httpx.PoolTimeout):
                await client.get(crowded.url, timeout=httpx.Timeout(None, read=0.05, pool=0.5))
            crowded.let_go.set()
            await first()
            crowded.let_go.clear()

    async def in_asyncio():
        def spawn(call, url):
            task = asyncio.ensure_future(call(url))
            return lambda: task

        await main(asyncio.sleep, spawn)

    async def in_trio():
        async with trio.open_nursery() as nursery:

            def spawn(call, url):
                done = trio.Event()

                async def run():
                    await call(url)
                    done.set()

                nursery.start_soon(run)
                return done.wait

            await main(trio.sleep, spawn)

    asyncio.run(in_asyncio())
    trio.run(in_trio)
    assert crowded.most == 1


def test_a_task_that_is_cancelled_while_it_waits_keeps_nobody_back(crowded):
    async def main():
        async with httpx.AsyncClient(transport=AsyncTransport(limits=ONE, **WAITS_FOR_NOTHING), timeout=None) as client:
            first, waits, behind = (asyncio.ensure_future(client.get(crowded.url)) for _ in range(3))
            while crowded.at_a_time < 1:
                await asyncio.sleep(0.01)
            waits.cancel()
            crowded.let_go.set()
            return (await first).text, (await asyncio.wait_for(behind, 30)).text

    assert asyncio.run(main()) == ("ok", "ok")
    assert (crowded.most, crowded.connections) == (1, 1)


def test_only_so_many_connections_are_kept_and_not_for_longer(crowded):
    crowded.let_go.set()
    for limits, connections in [
        (httpx.Limits(max_keepalive_connections=0), 3),
        (httpx.Limits(keepalive_expiry=0), 3),
        (httpx.Limits(max_keepalive_connections=1), 1),
        (httpx.Limits(), 1),
    ]:
        before = crowded.connections
        with httpx.Client(transport=Transport(limits=limits, **WAITS_FOR_NOTHING)) as client:
            assert [client.get(crowded.url).text for _ in range(3)] == ["ok"] * 3
        assert crowded.connections - before == connections, limits


@pytest.mark.parametrize(
    "said, error, told",
    [
        ({"limits": httpx.Limits(max_connections=0)}, ValueError, "max_connections=0"),
        ({"limits": httpx.Limits(max_connections=-1)}, ValueError, "max_connections=-1"),
        ({"limits": httpx.Limits(max_keepalive_connections=-1)}, ValueError, "max_keepalive_connections=-1"),
        ({"limits": 3}, AttributeError, "max_connections"),
        ({"uds": "/run/x"}, TypeError, r"HTTPTransport\(uds="),
        ({"socket_options": [(1, 2, 3)]}, TypeError, "mount an httpx.HTTPTransport"),
        ({"proxy": httpx.Proxy("http://127.0.0.1:9", headers={"x": "1"})}, ValueError, "headers for a proxy"),
        ({"proxy": httpx.Proxy("https://127.0.0.1:9", ssl_context=ssl.create_default_context())}, ValueError, "verify"),
        ({"local_address": "nowhere"}, ValueError, "IPv4 or IPv6"),
    ],
)
def test_what_is_not_carried_out_is_refused_with_what_to_do(said, error, told):
    for transport in (Transport, AsyncTransport):
        with pytest.raises(error, match=told):
            transport(**said)


def test_a_transport_takes_whatever_one_of_httpx_does():
    import inspect

    own = set(inspect.signature(httpx.HTTPTransport.__init__).parameters) - {"self"}
    known = {"retries": 1, "uds": None, "socket_options": None, "limits": ONE, "local_address": "127.0.0.1"}
    known.update(verify=True, cert=None, trust_env=True, http1=True, http2=True, proxy=None)
    assert own <= set(known), "a newer httpx takes more: carry it out, or refuse it with what to do"
    Transport(**known)


def test_connections_begin_at_the_address_that_is_said(way):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)

        def answer(seen):
            peer, (address, _) = listener.accept()
            seen.append(address)
            peer.recv(65536)
            peer.sendall(b"HTTP/1.1 204 No\r\nconnection: close\r\n\r\n")
            peer.close()

        seen = []
        thread = threading.Thread(target=answer, args=(seen,))
        thread.start()
        way({"url": f"http://127.0.0.1:{listener.getsockname()[1]}/"}, local_address="127.0.0.9", **WAITS_FOR_NOTHING)
        thread.join()
    assert seen == ["127.0.0.9"]


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    """A server with a certificate of an authority of its own; gives its URL and the authority's file."""
    authority = trustme.CA()
    path = tmp_path_factory.mktemp("tls") / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with serving(context) as url:
        yield url, str(path)


@contextlib.contextmanager
def serving(context, chosen=None):
    """A server whose connections are secured by a context; gives its URL, and tells which protocols were chosen."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                peer, _ = listener.accept()
                with context.wrap_socket(peer, server_side=True) as peer:
                    if chosen is not None:
                        chosen.append(peer.selected_alpn_protocol())
                    peer.recv(65536)
                    peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nsecret")
            except ssl.SSLError:
                pass
            except OSError:
                if listener.fileno() < 0:
                    return

    threading.Thread(target=serve, daemon=True).start()
    yield f"https://localhost:{listener.getsockname()[1]}/"
    listener.close()


def test_a_certificate_is_believed_by_the_authority_that_is_named(secured, way):
    url, authority = secured
    context = ssl.create_default_context(cafile=authority)
    for verify in (authority, context):
        assert way({"url": url}, verify=verify, **WAITS_FOR_NOTHING).text == "secret"
    with pytest.raises(httpx.ConnectError):
        way({"url": url}, **WAITS_FOR_NOTHING)


def test_a_certificate_is_believed_unchecked_only_where_that_is_said(secured, way):
    url, _ = secured
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    for verify in (False, unchecked):
        assert way({"url": url}, verify=verify, **WAITS_FOR_NOTHING).text == "secret"
    nameless = ssl.create_default_context()
    nameless.check_hostname = False
    with pytest.raises(ValueError, match="check_hostname"):
        Transport(verify=nameless)


def test_authorities_are_read_from_a_directory(secured, way):
    url, authority = secured
    assert way({"url": url}, verify=os.path.dirname(authority), **WAITS_FOR_NOTHING).text == "secret"


def test_a_certificate_is_shown_to_a_server_that_asks_for_one(tmp_path, way):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    mine = authority.issue_cert("me@example.com")
    mine.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "mine.pem"))
    mine.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    mine.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    both, apart = str(tmp_path / "mine.pem"), (str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))
    with serving(context) as url:
        for cert in (both, apart):
            said = {"verify": str(tmp_path / "authority.pem"), "cert": cert, **WAITS_FOR_NOTHING}
            assert way({"url": url}, **said).text == "secret"
        with pytest.raises(httpx.TransportError):
            way({"url": url}, verify=str(tmp_path / "authority.pem"), **WAITS_FOR_NOTHING)
    with pytest.raises(ValueError, match="one private key"):
        Transport(cert=str(tmp_path / "cert.pem"))


def test_a_setting_that_is_none_is_named():
    with pytest.raises(TypeError, match="nonsense"):
        Transport(nonsense=3)


def test_a_task_that_is_cancelled_ends_its_request(faults):
    server = faults({"hang": "after-request"})

    async def in_asyncio():
        async with httpx.AsyncClient(transport=AsyncTransport(**WAITS_FOR_NOTHING), timeout=None) as client:
            task = asyncio.ensure_future(client.get(f"{server.url}/"))
            await asyncio.to_thread(server.arrivals, 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    async def in_trio():
        async with httpx.AsyncClient(transport=AsyncTransport(**WAITS_FOR_NOTHING), timeout=None) as client:
            with trio.move_on_after(0.3) as scope:
                await client.get(f"{server.url}/")
            assert scope.cancelled_caught

    if hasattr(asyncio, "to_thread"):
        asyncio.run(in_asyncio())
    trio.run(in_trio)


def test_many_requests_at_once_hold_no_threads(faults):
    server = faults({"status": 200, "delay_ms": 200})

    async def main():
        async with httpx.AsyncClient(transport=AsyncTransport(**WAITS_FOR_NOTHING), timeout=None) as client:
            before = len(os.listdir("/proc/self/task"))
            all_of_them = asyncio.gather(*(client.get(f"{server.url}/{n}") for n in range(400)))
            await asyncio.sleep(0.1)
            during = len(os.listdir("/proc/self/task"))
            return await all_of_them, during - before

    pages, threads = asyncio.run(main())
    assert [page.status_code for page in pages] == [200] * 400
    assert threads <= 8


def test_a_transport_serves_one_loop_after_another(faults):
    server = faults({"status": 200, "body": "again"})
    transport = AsyncTransport(**WAITS_FOR_NOTHING)

    async def main():
        client = httpx.AsyncClient(transport=transport)
        return (await client.get(f"{server.url}/")).text

    assert [asyncio.run(main()), asyncio.run(main()), trio.run(main)] == ["again"] * 3


def test_a_transport_is_shared_by_threads(faults):
    server = faults({"status": 200})
    client = httpx.Client(transport=Transport(**WAITS_FOR_NOTHING))
    statuses = []

    def work():
        for _ in range(20):
            statuses.append(client.get(f"{server.url}/").status_code)

    threads = [threading.Thread(target=work) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert statuses == [200] * 160


def test_a_forked_child_goes_on_with_what_it_got(faults):
    server = faults({"status": 200})
    client = httpx.Client(transport=Transport(**WAITS_FOR_NOTHING))
    assert client.get(f"{server.url}/parent").status_code == 200
    child = os.fork()
    if child == 0:
        done = 1
        try:
            async def main():
                async with httpx.AsyncClient(transport=AsyncTransport(**WAITS_FOR_NOTHING)) as own:
                    return (await own.get(f"{server.url}/loop")).status_code

            done = 0 if (client.get(f"{server.url}/child").status_code, asyncio.run(main())) == (200, 200) else 2
        finally:
            os._exit(done)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert client.get(f"{server.url}/parent").status_code == 200


INTERRUPTED = """
import httpx, sys, reveille_sandbox
client = httpx.Client(transport=reveille_sandbox.Transport(api_key="k", workspace="w"), timeout=None)
try:
    client.get(sys.argv[1])
except KeyboardInterrupt:
    print("interrupted")
"""


def test_an_interrupt_ends_a_wait(faults):
    server = faults({"hang": "after-request"})
    child = subprocess.Popen([sys.executable, "-c", INTERRUPTED, server.url], stdout=subprocess.PIPE, text=True)
    server.arrivals(1)
    child.send_signal(signal.SIGINT)
    assert child.communicate(timeout=30) == ("interrupted\n", None)
    assert child.returncode == 0


class Proxy:
    """A forward proxy that grants every tunnel, and what it was asked for."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.heads = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            client, _ = self._listener.accept()
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096)
            self.heads.append(head.decode())
            host, port = head.split()[1].decode().rsplit(":", 1)
            server = socket.create_connection((host, int(port)))
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            for source, to in ((client, server), (server, client)):
                threading.Thread(target=self._pass, args=(source, to), daemon=True).start()

    @staticmethod
    def _pass(source, to):
        while True:
            piece = source.recv(65536)
            if not piece:
                return
            to.sendall(piece)


def test_requests_go_through_the_proxy_that_is_said_with_its_login(faults):
    server, proxy = faults({"status": 200, "body": "through"}), Proxy()
    with_login = proxy.url.replace("://", "://me:p%40ss@")
    for said in (with_login, httpx.Proxy(proxy.url, auth=("me", "p@ss")), httpx.URL(with_login)):
        with httpx.Client(transport=Transport(proxy=said)) as client:
            assert client.get(f"{server.url}/x").text == "through"
    assert len(proxy.heads) == 3
    assert all("Proxy-Authorization: Basic bWU6cEBzcw==" in head for head in proxy.heads), proxy.heads


def test_a_proxy_of_an_unknown_kind_is_refused_without_its_login():
    with pytest.raises(reveille_sandbox.SettingsError) as refused:
        Transport(proxy="ftp://me:hunter2@127.0.0.1:9")
    assert "socks5" in str(refused.value) and "hunter2" not in str(refused.value)
