"""The client, in an event loop of asyncio or trio.

`_client.py`, the same for threads, is made of this file by ``crates/python/unasync``.
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Dict, Generic, List, Mapping, Optional, Tuple, Type, TypeVar
from typing import Union

from . import _native
from ._async_previews import AsyncPreviews
from ._async_schedules import AsyncSchedules, AsyncWorkspaceSchedules
from ._async_snapshots import AsyncSandboxSnapshots, AsyncSnapshots
from ._async_storage import AsyncImages, AsyncVolumes, AsyncWorkspaceDrives, listed
from ._async_terminal import AsyncTerminal
from ._calls import finish
from ._native import History, Response
from ._options import Options, Pairs, asked, options_of, path_of
from ._records import Change, Directory, DriveMount, File, Forked, Health, Line, Logs, Missed, Moved, Output, OutputEvent
from ._records import Process, SandboxRecord, Socket, decode, event_of
from ._settings import Cert, Limits, Proxy, Verify, native_client

if TYPE_CHECKING:
    from typing_extensions import Unpack

_T = TypeVar("_T")
_Path = Union[str, bytes, "os.PathLike[str]"]
_Begun = Union["_native.Call[_native.Values]", _native.Values]


async def _values(begun: _Begun) -> _native.Values:
    return await finish(begun) if isinstance(begun, _native.Call) else begun


class AsyncValues(Generic[_T]):
    """Values that come one after the other, and an end to them."""

    def __init__(self, begin: Callable[[], _Begun], make: Callable[[Any], _T]) -> None:
        self._begin = begin
        self._values: Optional[_native.Values] = None
        self._make = make

    async def _open(self) -> _native.Values:
        if self._values is None:
            self._values = await _values(self._begin())
        return self._values

    def __aiter__(self) -> AsyncValues[_T]:
        return self

    async def __anext__(self) -> _T:
        said = await finish((await self._open()).next())
        if said is None:
            raise StopAsyncIteration
        return self._make(said)

    async def __aenter__(self) -> AsyncValues[_T]:
        await self._open()
        return self

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], raised: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Lets go of the rest."""
        if self._values is not None:
            self._values.close()


class AsyncStreamed:
    """An answer whose body is read as it comes; entered with ``async with``."""

    def __init__(self, call: _native.Call[_native.Streamed]) -> None:
        self._call = call
        self._answer: Optional[_native.Streamed] = None

    @property
    def _begun(self) -> _native.Streamed:
        if self._answer is None:
            raise RuntimeError("nothing is sent before it is entered")
        return self._answer

    async def __aenter__(self) -> AsyncStreamed:
        self._answer = await finish(self._call)
        return self

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], raised: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._begun.pieces.close()

    @property
    def status(self) -> int:
        """The status."""
        return self._begun.status

    @property
    def headers(self) -> Dict[str, str]:
        """The headers, by their names in lower case."""
        return self._begun.headers

    @property
    def history(self) -> History:
        """Every attempt up to the head of this answer."""
        return self._begun.history

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            piece: Optional[bytes] = await finish(self._begun.pieces.next())
            if piece is None:
                return
            yield piece


class AsyncClient:
    """The way to the platform, or to the local host. It may be used from any number of threads and event loops.

    What is not said comes from the environment (``BL_API_KEY``, ``BL_WORKSPACE``, ``BL_RUN_URL``, ...), the platform's
    config file, or the local host that is running. Nothing is sent by making one.

    :param client_credentials: an id and a secret, in place of a key.
    :param retries: how often a read is sent again at the most; 5 where nothing says otherwise.
    :param standby: tries for as long as a slow wake-up takes.
    :param deadline: ends every call after so many seconds that has no deadline of its own.
    :param probe: ``False`` sends nothing but what is asked for.
    :param verify: a file or directory of certificate authorities that are trusted beside the system's, or a context;
        ``False`` believes any certificate.
    :param cert: a PEM file with a certificate and its private key, or one of each, for servers that ask for one.
    :param http2: ``False`` speaks HTTP/1.1 only. Over TLS the server chooses where nothing is said.
    :param http1: ``False``, with ``http2=True``, speaks HTTP/2 everywhere, in the clear with prior knowledge.
    :param limits: how many connections there may be, and which are kept; an ``httpx.Limits``, or what is like one.
    :param local_address: the address of this machine that connections begin at.
    :param proxy: the forward proxy of every request: a URL that begins with ``http://``, ``https://``, ``socks5://`` or
        ``socks5h://``.
    :param trust_env: ``False`` uses no proxy of the environment.
    """

    def __init__(
        self,
        *,
        api_key: Optional[str] = None,
        client_credentials: Optional[tuple[str, str]] = None,
        workspace: Optional[str] = None,
        api_url: Optional[str] = None,
        run_url: Optional[str] = None,
        region: Optional[str] = None,
        retries: Optional[int] = None,
        standby: bool = False,
        deadline: Optional[float] = None,
        probe: bool = True,
        connect_timeout: Optional[float] = None,
        read_timeout: Optional[float] = None,
        verify: Verify = True,
        cert: Optional[Cert] = None,
        http1: bool = True,
        http2: Optional[bool] = None,
        limits: Optional[Limits] = None,
        local_address: Optional[str] = None,
        proxy: Optional[Proxy] = None,
        trust_env: bool = True,
    ) -> None:
        self._native = native_client(
            verify=verify,
            cert=cert,
            http1=http1,
            http2=http2,
            limits=limits,
            local_address=local_address,
            proxy=proxy,
            trust_env=trust_env,
            api_key=api_key,
            client_credentials=client_credentials,
            workspace=workspace,
            api_url=api_url,
            run_url=run_url,
            region=region,
            retries=retries,
            standby=standby,
            deadline=deadline,
            probe=probe,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
        )
        #: The sandboxes of the workspace.
        self.sandboxes = AsyncSandboxes(self._native)
        #: The volumes of the workspace.
        self.volumes = AsyncVolumes(self._native)
        #: The drives of the workspace; those that a sandbox has mounted are the sandbox's own.
        self.drives = AsyncWorkspaceDrives(self._native)
        #: The images that sandboxes are made of.
        self.images = AsyncImages(self._native)
        #: The snapshots of the workspace.
        self.snapshots = AsyncSnapshots(self._native)
        #: What its sandboxes run by the clock.
        self.schedules = AsyncWorkspaceSchedules(self._native)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], raised: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        """Nothing: connections end with whoever shares them last."""

    def sandbox(self, name: str) -> AsyncSandbox:
        """The sandbox of this name. Nothing is sent; a name that is none is an error of the call that uses it."""
        return AsyncSandbox(_native.Sandbox(self._native, name))

    def sandbox_at(self, url: str, *, authorized: bool = False) -> AsyncSandbox:
        """The sandbox at this URL, as it is. Credentials are sent there only where ``authorized`` says so."""
        return AsyncSandbox(_native.Sandbox.at(self._native, url, authorized))

    @property
    def workspace(self) -> Optional[str]:
        """The workspace, where one is set."""
        return self._native.workspace

    @property
    def api_url(self) -> str:
        """The base of the control plane."""
        return self._native.api_url

    @property
    def run_url(self) -> str:
        """The base under which sandboxes answer."""
        return self._native.run_url

    @property
    def warnings(self) -> List[str]:
        """What is wrong with the settings. Each was passed over."""
        return self._native.warnings


class AsyncSandboxes:
    """Makes, finds, lists and deletes sandboxes."""

    def __init__(self, client: _native.Client) -> None:
        self._native = _native.Sandboxes(client)

    async def create(
        self,
        name: str,
        *,
        if_missing: bool = False,
        image: Optional[str] = None,
        memory: Optional[int] = None,
        env: Optional[Mapping[str, str]] = None,
        secrets: Optional[Mapping[str, str]] = None,
        ports: Optional[List[int]] = None,
        ttl: Optional[str] = None,
        expires: Optional[str] = None,
        region: Optional[str] = None,
        labels: Optional[Mapping[str, str]] = None,
        external_id: Optional[str] = None,
        display_name: Optional[str] = None,
        volumes: Optional[Mapping[str, str]] = None,
        **options: Unpack[Options],
    ) -> SandboxRecord:
        """Makes a sandbox; with ``if_missing`` gives the one that is there already. A mutation.

        :param memory: in megabytes.
        :param ttl: for how long it lives, "24h" say.
        :param volumes: what is attached to it, by where: ``{"/mnt/data": "data"}``.
        """
        wanted = {
            "if_missing": if_missing,
            "image": image,
            "memory": memory,
            "env": dict(env or {}),
            "secrets": dict(secrets or {}),
            "ports": list(ports or []),
            "ttl": ttl,
            "expires": expires,
            "region": region,
            "labels": dict(labels or {}),
            "external_id": external_id,
            "display_name": display_name,
            "volumes": dict(volumes or {}),
        }
        return SandboxRecord.read(await finish(self._native.create(name, wanted, options_of(options))))

    async def get(self, name: str, **options: Unpack[Options]) -> SandboxRecord:
        """What the control plane knows of a sandbox. A read."""
        return SandboxRecord.read(await finish(self._native.get(name, options_of(options))))

    async def list(
        self,
        *,
        search: Optional[str] = None,
        status: Optional[str] = None,
        external_id: Optional[str] = None,
        sort: Optional[str] = None,
        page_size: Optional[int] = None,
        with_terminated: bool = False,
        **options: Unpack[Options],
    ) -> AsyncIterator[SandboxRecord]:
        """The sandboxes of the workspace, page by page as they are asked for. A read.

        :param sort: "newest", "oldest", "name" or "-name".
        """
        said = {
            "search": search,
            "status": status,
            "external_id": external_id,
            "sort": sort,
            "page_size": page_size,
            "with_terminated": with_terminated,
        }
        async for sandbox in listed(self._native.pages(said, options_of(options)), SandboxRecord):
            yield sandbox

    async def delete(self, name: str, **options: Unpack[Options]) -> SandboxRecord:
        """Deletes a sandbox with all that is in it. A mutation."""
        return SandboxRecord.read(await finish(self._native.delete(name, options_of(options))))

    async def sleep(self, name: str, **options: Unpack[Options]) -> SandboxRecord:
        """Puts a sandbox to standby now, where the platform can. A mutation."""
        return SandboxRecord.read(await finish(self._native.sleep(name, options_of(options))))


class AsyncSandbox:
    """A handle: nothing is sent by having one."""

    def __init__(self, native: _native.Sandbox) -> None:
        self._native = native
        #: Its drives.
        self.drives = AsyncDrives(native)
        #: Its processes.
        self.processes = AsyncProcesses(native)
        #: Its files.
        self.files = AsyncFiles(native)
        #: Its previews.
        self.previews = AsyncPreviews(native)
        #: Its snapshots.
        self.snapshots = AsyncSandboxSnapshots(native)
        #: What it runs by the clock.
        self.schedules = AsyncSchedules(native)

    @property
    def url(self) -> str:
        """Where it answers."""
        return self._native.url

    async def fork(
        self,
        target: str,
        *,
        env: Optional[Mapping[str, str]] = None,
        port: Optional[int] = None,
        **options: Unpack[Options],
    ) -> Forked:
        """Makes a new sandbox that begins as this one is now. A mutation.

        :param env: variables beside those that it begins with, or in place of them.
        :param port: one that it serves.
        """
        as_well = {"env": dict(env or {}), "port": port}
        return Forked.read(await finish(self._native.fork(target, as_well, options_of(options))))

    async def fetch(
        self,
        port: int,
        path: str = "/",
        *,
        method: str = "GET",
        headers: Optional[Pairs] = None,
        params: Optional[Pairs] = None,
        content: Union[bytes, str, None] = None,
        data: Optional[Pairs] = None,
        json: Any = None,
        replay: Optional[str] = None,
        **options: Unpack[Options],
    ) -> Response:
        """A request to a server in the sandbox, and its whole answer, whatever its status.

        GET, HEAD and OPTIONS are reads and survive the resume; any other method is sent once, and again only where it
        is proven that it did not run.

        :param replay: says otherwise: "never", "vouched" (a repeat does no harm) or "read".
        """
        request = asked(method, headers, params, content, data, json, replay)
        return await finish(self._native.fetch(port, path, request, options_of(options)))

    def stream(
        self,
        port: int,
        path: str = "/",
        *,
        method: str = "GET",
        headers: Optional[Pairs] = None,
        params: Optional[Pairs] = None,
        content: Union[bytes, str, None] = None,
        json: Any = None,
        replay: Optional[str] = None,
        **options: Unpack[Options],
    ) -> AsyncStreamed:
        """The same, for an answer that is read as it comes."""
        request = asked(method, headers, params, content, None, json, replay)
        return AsyncStreamed(self._native.stream(port, path, request, options_of(options)))

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Optional[Pairs] = None,
        params: Optional[Pairs] = None,
        content: Union[bytes, str, None] = None,
        json: Any = None,
        replay: Optional[str] = None,
        **options: Unpack[Options],
    ) -> Response:
        """A request to an endpoint of the sandbox's own API that this package has no method for."""
        request = asked(method, headers, params, content, None, json, replay)
        return await finish(self._native.request(path, request, options_of(options)))

    def terminal(
        self,
        *,
        size: Tuple[int, int] = (80, 24),
        session: Optional[str] = None,
        shell: Optional[str] = None,
        cwd: Optional[str] = None,
        command: Optional[str] = None,
        deadline: Optional[float] = None,
    ) -> AsyncTerminal:
        """A shell at a terminal, which is opened when it is entered: the session of this name, or a new one.

        :param size: of the window, in letters: columns and rows.
        :param command: what the shell runs, and ends with; only a sandbox of the local host knows of it.
        """
        said = {
            "cols": size[0],
            "rows": size[1],
            "session": session,
            "shell": shell,
            "cwd": cwd,
            "command": command,
            "deadline": deadline,
        }
        return AsyncTerminal(lambda: _native.Terminal.open(self._native, said))

    async def health(self, **options: Unpack[Options]) -> Health:
        """How the sandbox's own server is. A read."""
        return Health.read(await finish(self._native.health(options_of(options))))

    async def upgrade(
        self, *, version: Optional[str] = None, base_url: Optional[str] = None, **options: Unpack[Options]
    ) -> str:
        """Upgrades the sandbox's own server, by default to the latest version, and gives the version. It answers at
        once and upgrades in the background; ``health`` tells how it went. A mutation.

        :param base_url: where the new version is taken from.
        """
        said = await finish(self._native.upgrade(version, base_url, options_of(options)))
        return str(decode(said).get("version") or "")

    async def wake(self, **options: Unpack[Options]) -> None:
        """Wakes the sandbox: ends when it has answered. A read."""
        await finish(self._native.wake(options_of(options)))


class AsyncDrives:
    """The drives of a sandbox."""

    def __init__(self, sandbox: _native.Sandbox) -> None:
        self._native = sandbox

    async def list(self, **options: Unpack[Options]) -> List[DriveMount]:
        """What is mounted where. A read."""
        return DriveMount.read_all(await finish(self._native.mounts(options_of(options))))

    async def mount(
        self,
        drive: str,
        path: str,
        *,
        read_only: bool = False,
        drive_path: Optional[str] = None,
        **options: Unpack[Options],
    ) -> DriveMount:
        """Mounts a drive. A mutation.

        :param drive_path: the directory of the drive that is mounted, from its root on.
        """
        call = self._native.mount(drive, path, read_only, drive_path, options_of(options))
        return DriveMount.read(await finish(call))

    async def unmount(self, path: str, **options: Unpack[Options]) -> None:
        """Takes a drive away from a path. A mutation."""
        await finish(self._native.unmount(path, options_of(options)))


class AsyncProcesses:
    """The processes of a sandbox."""

    def __init__(self, sandbox: _native.Sandbox) -> None:
        self._sandbox = sandbox
        self._native = _native.Processes(sandbox)

    async def exec(
        self,
        command: str,
        *,
        name: Optional[str] = None,
        cwd: Optional[str] = None,
        env: Optional[Mapping[str, str]] = None,
        input: Union[bytes, str, None] = None,
        timeout: Optional[float] = None,
        deadline: Optional[float] = None,
    ) -> Output:
        """Runs a command to its end, and gives everything that it wrote. It never runs twice.

        :param input: its standard input.
        :param timeout: the sandbox ends it after so many seconds.
        :param deadline: the call ends after so many seconds; the command may run on.
        """
        said = _command(command, name, cwd, env, input, timeout, deadline)
        process, stdout, stderr = await finish(self._native.exec(said))
        return Output(Process.read(process), stdout, stderr)

    def stream(
        self,
        command: str,
        *,
        name: Optional[str] = None,
        cwd: Optional[str] = None,
        env: Optional[Mapping[str, str]] = None,
        input: Union[bytes, str, None] = None,
        timeout: Optional[float] = None,
        deadline: Optional[float] = None,
    ) -> AsyncValues[OutputEvent]:
        """Runs a command, and tells what it writes as it comes. It is begun when the first event is asked for."""
        said = _command(command, name, cwd, env, input, timeout, deadline)
        return AsyncValues(lambda: self._native.stream(said), event_of)

    async def start(
        self,
        command: str,
        *,
        name: Optional[str] = None,
        cwd: Optional[str] = None,
        env: Optional[Mapping[str, str]] = None,
        stdin_open: bool = False,
        timeout: Optional[float] = None,
        keep_alive: bool = False,
        wait_for_ports: Optional[List[int]] = None,
        max_restarts: Optional[int] = None,
        deadline: Optional[float] = None,
    ) -> Process:
        """Starts a command in the background. A mutation.

        :param stdin_open: its standard input is written with ``write_stdin``.
        :param keep_alive: the sandbox stays awake while it runs.
        :param wait_for_ports: it counts as started when something listens there.
        :param max_restarts: how often it is started again where it fails.
        """
        said = {
            **_command(command, name, cwd, env, None, timeout, deadline),
            "stdin_open": stdin_open,
            "keep_alive": keep_alive,
            "wait_for_ports": list(wait_for_ports or []),
            "max_restarts": max_restarts,
        }
        return Process.read(await finish(self._native.start(said)))

    def follow(self, process: str) -> AsyncValues[OutputEvent]:
        """What a process writes, from the start of its log to its end, over lost connections."""
        return AsyncValues(lambda: self._native.follow(process), event_of)

    async def wait(self, process: str, *, timeout: Optional[float] = None) -> Process:
        """How a process stands when it has ended, or after ``timeout`` seconds. A read."""
        return Process.read(await finish(self._native.wait(process, timeout)))

    async def list(self, **options: Unpack[Options]) -> List[Process]:
        """Every process that the sandbox knows, ended ones included. A read."""
        return Process.read_all(await finish(self._native.list(options_of(options))))

    async def get(self, process: str, **options: Unpack[Options]) -> Process:
        """One process, by its pid or name. A read."""
        return Process.read(await finish(self._native.get(process, options_of(options))))

    async def logs(self, process: str, **options: Unpack[Options]) -> Logs:
        """What a process has written. A read."""
        return Logs.read(await finish(self._native.logs(process, options_of(options))))

    async def ports(self, pid: Union[str, int], **options: Unpack[Options]) -> List[Socket]:
        """The sockets of a process, by its pid, and of all that came from it. A read."""
        return Socket.read_all(await finish(self._sandbox.sockets(str(pid), options_of(options))))

    async def stop(self, process: str, **options: Unpack[Options]) -> None:
        """Asks a process to end (SIGTERM). A mutation."""
        await finish(self._native.stop(process, options_of(options)))

    async def kill(self, process: str, **options: Unpack[Options]) -> None:
        """Ends a process (SIGKILL). A mutation."""
        await finish(self._native.kill(process, options_of(options)))

    async def write_stdin(self, process: str, data: Union[bytes, str], **options: Unpack[Options]) -> None:
        """Writes to the standard input of a process. A mutation: nothing is ever written twice."""
        await finish(self._native.write_stdin(process, _bytes(data), options_of(options)))

    async def close_stdin(self, process: str, **options: Unpack[Options]) -> None:
        """Closes the standard input of a process. A mutation."""
        await finish(self._native.close_stdin(process, options_of(options)))


class AsyncFiles:
    """The files of a sandbox. A path is absolute, or relative to the sandbox's working directory."""

    def __init__(self, sandbox: _native.Sandbox) -> None:
        self._native = _native.Files(sandbox)

    async def read(self, path: _Path, **options: Unpack[Options]) -> bytes:
        """What is in a file; never an empty or shorter file. A read."""
        return await finish(self._native.read(path_of(path), options_of(options)))

    async def read_text(self, path: _Path, **options: Unpack[Options]) -> str:
        """What is in a file, as UTF-8. A read."""
        return await finish(self._native.read_text(path_of(path), options_of(options)))

    async def write(
        self, path: _Path, content: Union[bytes, str], *, mode: Optional[int] = None, **options: Unpack[Options]
    ) -> None:
        """Writes a file, making the directories on the way. A repeat of it is harmless, so that it may be sent again."""
        await finish(self._native.write(path_of(path), _bytes(content), mode, options_of(options)))

    async def make_directory(self, path: _Path, **options: Unpack[Options]) -> None:
        """Makes a directory, with those above it. A mutation."""
        await finish(self._native.make_directory(path_of(path), options_of(options)))

    async def remove(self, path: _Path, *, recursive: bool = False, **options: Unpack[Options]) -> None:
        """Removes a file or a directory. A mutation."""
        await finish(self._native.remove(path_of(path), recursive, options_of(options)))

    async def copy(self, source: str, to: str, *, overwrite: bool = True, **options: Unpack[Options]) -> None:
        """Copies a file or a directory within the sandbox, as ``cp -r`` places it. A mutation."""
        await finish(self._native.copy(source, to, overwrite, options_of(options)))

    async def kind(self, path: _Path, **options: Unpack[Options]) -> Optional[str]:
        """What a path leads to: "file" or "directory". A read."""
        return await finish(self._native.kind(path_of(path), options_of(options)))

    async def ls(self, path: _Path = ".", **options: Unpack[Options]) -> Directory:
        """What is in a directory. A read."""
        return Directory.read(await finish(self._native.list(path_of(path), options_of(options))))

    async def tree(
        self, path: _Path, *, patterns: Optional[List[str]] = None, **options: Unpack[Options]
    ) -> Directory:
        """All that is below a directory. A read."""
        return Directory.read(await finish(self._native.tree(path_of(path), patterns or [], options_of(options))))

    async def find(
        self, directory: _Path, *, patterns: Optional[List[str]] = None, **options: Unpack[Options]
    ) -> List[str]:
        """The paths below a directory whose names match, as in ``*.rs``. A read."""
        call = self._native.find(path_of(directory), patterns or [], options_of(options))
        return [each.path for each in File.all_in(await finish(call), "matches")]

    async def grep(self, directory: _Path, text: str, **options: Unpack[Options]) -> List[Line]:
        """The lines below a directory that hold a text, which is no pattern. A read."""
        return Line.all_in(await finish(self._native.grep(path_of(directory), text, options_of(options))), "matches")

    def stream(self, path: _Path, **options: Unpack[Options]) -> AsyncStreamed:
        """A file as it comes. A read."""
        return AsyncStreamed(self._native.stream(path_of(path), options_of(options)))

    async def download(self, path: _Path, to: Union[str, os.PathLike[str]], **options: Unpack[Options]) -> int:
        """Brings a file here, where it appears once it is whole. Gives its length."""
        return await finish(self._native.download(path_of(path), os.fspath(to), options_of(options)))

    async def upload(
        self, source: Union[str, os.PathLike[str]], path: _Path, *, mode: Optional[int] = None
    ) -> int:
        """Brings a file of this machine into the sandbox, in parts where it is large. Gives its length."""
        return await finish(self._native.upload(os.fspath(source), path_of(path), mode))

    async def upload_directory(self, source: Union[str, os.PathLike[str]], to: _Path) -> Moved:
        """Brings a directory of this machine into the sandbox, with all that is below it."""
        return Moved(*await finish(self._native.upload_directory(os.fspath(source), path_of(to))))

    async def download_directory(self, source: _Path, to: Union[str, os.PathLike[str]]) -> Moved:
        """Brings a directory of the sandbox here, with all that is below it."""
        return Moved(*await finish(self._native.download_directory(path_of(source), os.fspath(to))))

    def watch(
        self, directory: _Path, *, recursive: bool = False, ignore: Optional[List[str]] = None
    ) -> AsyncValues[Union[Change, Missed]]:
        """What happens in a directory, until it is closed, over lost connections."""
        begin = lambda: self._native.watch(path_of(directory), recursive, ignore or [])  # noqa: E731
        return AsyncValues(begin, lambda said: Missed() if said is False else Change.read(said))


def _command(
    command: str,
    name: Optional[str],
    cwd: Optional[str],
    env: Optional[Mapping[str, str]],
    input: Union[bytes, str, None],
    timeout: Optional[float],
    deadline: Optional[float],
) -> Dict[str, Any]:
    return {
        "command": command,
        "name": name,
        "cwd": cwd,
        "env": dict(env or {}),
        "input": None if input is None else _bytes(input),
        "stdin_open": False,
        "timeout": timeout,
        "keep_alive": False,
        "wait_for_ports": [],
        "max_restarts": None,
        "deadline": deadline,
    }


def _bytes(content: Union[bytes, str]) -> bytes:
    return content.encode("utf-8") if isinstance(content, str) else bytes(content)
