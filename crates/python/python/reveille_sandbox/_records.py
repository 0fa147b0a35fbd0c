"""What calls bring. What the server says beyond these fields stands in ``raw``."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, ClassVar, Dict, List, Mapping, Optional, Type, TypeVar, Union

_R = TypeVar("_R", bound="_Record")
_K = TypeVar("_K", bound="_Kept")


@dataclass(frozen=True)
class _Record:
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    #: Fields that the protocol calls otherwise than by their name in camel case.
    _named: ClassVar[Dict[str, str]] = {}

    @classmethod
    def of(cls: Type[_R], said: Mapping[str, Any]) -> _R:
        """The record that was said as an object of JSON."""
        values: Dict[str, Any] = {"raw": said}
        for each in dataclasses.fields(cls):
            name = cls._named.get(each.name) or _camel(each.name)
            if each.name != "raw" and said.get(name) is not None:
                values[each.name] = said[name]
        return cls(**values)

    @classmethod
    def read(cls: Type[_R], text: str) -> _R:
        """The record that was said as JSON."""
        return cls.of(json.loads(text))

    @classmethod
    def read_all(cls: Type[_R], text: str) -> List[_R]:
        """The records of a list that was said as JSON."""
        return [cls.of(each) for each in json.loads(text)]

    @classmethod
    def all_in(cls: Type[_R], text: str, name: str) -> List[_R]:
        """The same for a list that is a field of an object."""
        return [cls.of(each) for each in json.loads(text).get(name) or []]


def decode(text: str) -> Dict[str, Any]:
    """An object that was said as JSON."""
    said: Dict[str, Any] = json.loads(text)
    return said


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


@dataclass(frozen=True)
class SandboxRecord(_Record):
    """A sandbox, as the control plane knows it."""

    name: str = ""
    #: Where its deployment stands: "DEPLOYED" covers both awake and standby.
    status: Optional[str] = None
    #: "RUNNING", or "STANDBY": any request wakes it.
    state: Optional[str] = None
    url: Optional[str] = None
    region: Optional[str] = None
    image: Optional[str] = None
    #: In megabytes.
    memory: Optional[int] = None
    labels: Mapping[str, str] = field(default_factory=dict)
    external_id: Optional[str] = None
    display_name: Optional[str] = None
    created_at: Optional[str] = None
    updated_at: Optional[str] = None
    last_used_at: Optional[str] = None
    #: In seconds.
    expires_in: Optional[int] = None

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "SandboxRecord":
        spec = said.get("spec") or {}
        flat = {**(spec.get("runtime") or {}), **spec, **(said.get("metadata") or {}), **said}
        return dataclasses.replace(super().of(flat), raw=said)


@dataclass(frozen=True)
class _Kept(_Record):
    """What the control plane keeps, by its name."""

    name: str = ""
    status: Optional[str] = None
    region: Optional[str] = None
    labels: Mapping[str, str] = field(default_factory=dict)
    created_at: Optional[str] = None
    updated_at: Optional[str] = None

    @classmethod
    def of(cls: Type[_K], said: Mapping[str, Any]) -> _K:
        parts = (said.get("state"), said.get("spec"), said.get("metadata"), said)
        flat = {name: value for part in parts for name, value in (part or {}).items()}
        return dataclasses.replace(super().of(flat), raw=said)


@dataclass(frozen=True)
class Volume(_Kept):
    """A volume: files with a life of their own, in one sandbox at a time."""

    #: In megabytes.
    size: Optional[int] = None
    #: What has it, "sandbox:NAME"; empty when nothing has.
    attached_to: str = ""


@dataclass(frozen=True)
class Drive(_Kept):
    """A drive of the workspace."""


@dataclass(frozen=True)
class Image(_Kept):
    """An image that sandboxes are made of."""

    #: In bytes.
    size: Optional[int] = None


@dataclass(frozen=True)
class Preview(_Kept):
    """A door to a port of a sandbox."""

    port: Optional[int] = None
    url: str = ""
    public: bool = False
    #: Until when it is open.
    expires: Optional[str] = None


@dataclass(frozen=True)
class PreviewToken(_Kept):
    """What opens a private preview: it goes into ``X-Blaxel-Preview-Token``, or ``?bl_preview_token=``."""

    token: str = field(default="", repr=False)
    expires_at: Optional[str] = None
    expired: bool = False


@dataclass(frozen=True)
class Snapshot(_Record):
    """What a sandbox was at a moment. It belongs to the workspace, and outlives the sandbox."""

    id: str = ""
    name: str = ""
    #: "pending", "ready" or "failed".
    status: str = ""
    #: The sandbox that it was taken of.
    sandbox: str = ""
    #: Whether that is no more.
    sandbox_is_gone: bool = False
    created_at: Optional[str] = None

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "Snapshot":
        source = said.get("source") or {}
        flat = {**said, "sandbox": source.get("name"), "sandboxIsGone": source.get("deleted")}
        return dataclasses.replace(super().of(flat), raw=said)


@dataclass(frozen=True)
class Forked(_Record):
    """A sandbox that was made as another one was."""

    name: str = ""
    #: The snapshot that it began as, where it was one.
    snapshot_id: Optional[str] = None


@dataclass(frozen=True)
class Schedule(_Record):
    """A command that a sandbox runs by the clock."""

    id: str = ""
    sandbox: str = ""
    #: "cron" or "at".
    type: str = ""
    #: The five fields of cron, or a time of RFC 3339.
    value: str = ""
    command: str = ""
    created_at: Optional[str] = None

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "Schedule":
        flat = {**said, "command": (said.get("input") or {}).get("command")}
        return dataclasses.replace(super().of(flat), raw=said)


@dataclass(frozen=True)
class Execution(_Record):
    """One time that a schedule's command was handed to its sandbox. What became of it is told by its process."""

    id: str = ""
    schedule_id: str = ""
    sandbox: str = ""
    #: "succeeded" where the sandbox took the command, else "failed".
    status: str = ""
    error: str = ""
    #: RFC 3339.
    executed_at: str = ""
    #: What the process is called.
    process_name: str = ""


@dataclass(frozen=True)
class Socket(_Record):
    """A socket of a process."""

    _named: ClassVar[Dict[str, str]] = {
        "address": "localAddr",
        "port": "localPort",
        "remote_address": "remoteAddr",
        "process": "processName",
    }

    pid: int = 0
    #: "tcp" or "udp".
    protocol: str = ""
    address: str = ""
    port: int = 0
    #: Empty where there is no other end.
    remote_address: str = ""
    remote_port: int = 0
    #: Where a connection stands: "LISTEN", "ESTABLISHED", ...; empty for UDP.
    state: str = ""
    #: The name of the process.
    process: str = ""


@dataclass(frozen=True)
class Health(_Record):
    """How a sandbox's own server is."""

    status: str = ""
    version: str = ""
    os: str = ""
    arch: str = ""
    uptime: str = ""
    uptime_seconds: float = 0.0
    upgrade_count: int = 0
    started_at: str = ""


@dataclass(frozen=True)
class DriveMount(_Record):
    """A drive at a place in a sandbox."""

    _named: ClassVar[Dict[str, str]] = {"drive": "driveName", "path": "mountPath"}

    drive: str = ""
    path: str = ""
    drive_path: str = "/"
    read_only: bool = False


@dataclass(frozen=True)
class Process(_Record):
    """A process of a sandbox."""

    pid: str = ""
    name: str = ""
    command: str = ""
    #: "running", "completed", "failed", "killed" or "stopped".
    status: str = ""
    started_at: str = ""
    completed_at: Optional[str] = None
    exit_code: int = 0
    #: The signal that ended it.
    signal: Optional[int] = None
    working_dir: str = ""
    restart_count: int = 0
    keep_alive: bool = False

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.status == "running"


@dataclass(frozen=True)
class Output:
    """A process that has ended, with everything that it wrote, byte for byte."""

    process: Process
    stdout: bytes
    stderr: bytes

    @property
    def exit_code(self) -> Optional[int]:
        """Its exit code; ``None`` where a signal ended it."""
        code = self.process.exit_code
        return code if self.process.signal is None and code >= 0 else None

    @property
    def success(self) -> bool:
        """Whether it ended by itself with exit code 0."""
        return self.exit_code == 0

    @property
    def text(self) -> str:
        """Its standard output as text; what is no UTF-8 becomes U+FFFD."""
        return self.stdout.decode("utf-8", "replace")


@dataclass(frozen=True)
class Logs(_Record):
    """What a process has written, at most the last 4 MiB of each stream, as text."""

    stdout: str = ""
    stderr: str = ""
    #: Both, in the order in which they were read.
    logs: str = ""


@dataclass(frozen=True)
class Stdout:
    """A process wrote to its standard output."""

    data: bytes


@dataclass(frozen=True)
class Stderr:
    """A process wrote to its standard error."""

    data: bytes


@dataclass(frozen=True)
class Restarted:
    """A process failed and is started again."""

    said: str


@dataclass(frozen=True)
class Missing:
    """Output is missing here: the sandbox does not keep it any more."""

    stream: Optional[str]
    bytes: Optional[int]


@dataclass(frozen=True)
class Ended:
    """A process has ended. Nothing comes after this."""

    process: Process


OutputEvent = Union[Stdout, Stderr, Restarted, Missing, Ended]


def event_of(pair: "tuple[str, Any]") -> OutputEvent:
    """The event that the native half tells as a pair."""
    kind, said = pair
    if kind == "stdout":
        return Stdout(said)
    if kind == "stderr":
        return Stderr(said)
    if kind == "restart":
        return Restarted(said)
    if kind == "ended":
        return Ended(Process.read(said))
    return Missing(*(said or (None, None)))


@dataclass(frozen=True)
class Shown:
    """This appears on the screen of a terminal, with the escape sequences of the program that wrote it."""

    data: bytes


@dataclass(frozen=True)
class Disconnected:
    """The connection of a terminal was lost, and the first try to make another one has failed: it is tried again."""


@dataclass(frozen=True)
class Reconnected:
    """The connection of a terminal was lost, and another one goes on."""

    #: What was typed and may not have arrived; empty where the sandbox counts what it is sent.
    unsure: bytes
    #: Whether what follows begins with the end of what has come before.
    repeats: bool


@dataclass(frozen=True)
class ShellEnded:
    """The shell of a terminal has ended. Nothing comes after this. Neither is known where the sandbox does not say."""

    code: Optional[int]
    #: The number of the signal that ended it.
    signal: Optional[int]


TerminalEvent = Union[Shown, Missing, Disconnected, Reconnected, ShellEnded]


def terminal_event_of(pair: "tuple[str, Any]") -> TerminalEvent:
    """The event that the native half tells as a pair."""
    kind, said = pair
    if kind == "shown":
        return Shown(said)
    if kind == "disconnected":
        return Disconnected()
    if kind == "reconnected":
        return Reconnected(*said)
    if kind == "ended":
        return ShellEnded(*said)
    return Missing(None, said)


@dataclass(frozen=True)
class File(_Record):
    """A file of a sandbox."""

    path: str = ""
    name: str = ""
    permissions: str = ""
    size: int = 0
    last_modified: str = ""
    owner: str = ""
    group: str = ""


@dataclass(frozen=True)
class Directory(_Record):
    """What is in a directory of a sandbox."""

    path: str = ""
    name: str = ""
    files: List[File] = field(default_factory=list)
    #: The paths of the directories in it.
    directories: List[str] = field(default_factory=list)

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "Directory":
        files = [File.of(each) for each in said.get("files") or []]
        directories = [each["path"] for each in said.get("subdirectories") or []]
        return cls(said, said.get("path", ""), said.get("name", ""), files, directories)


@dataclass(frozen=True)
class Line(_Record):
    """A line of a file that was looked for."""

    path: str = ""
    line: int = 0
    column: int = 0
    text: str = ""
    context: Optional[str] = None


@dataclass(frozen=True)
class Change(_Record):
    """Something happened in a directory that is watched."""

    op: str = ""
    name: str = ""
    path: str = ""
    error: Optional[str] = None


@dataclass(frozen=True)
class Missed:
    """Something may have been missed by a watch: look."""


@dataclass(frozen=True)
class Moved:
    """What became of a directory that was moved."""

    files: int
    bytes: int
    #: What is neither a file nor a directory, and stayed behind.
    skipped: List[str]
