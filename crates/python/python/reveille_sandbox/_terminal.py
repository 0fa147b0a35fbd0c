"""A shell at a terminal, for threads. Whoever waits holds no interpreter.

Made of `_async_terminal.py` by ``crates/python/unasync``: change that.
"""

from __future__ import annotations

from types import TracebackType
from typing import Callable, Optional, Type, Union

from . import _native
from ._records import TerminalEvent, terminal_event_of


class Terminal:
    """A shell at a terminal; entered with ``with``. What happens at it is what it is iterated for.

    Its session goes on over lost connections, resumes and upgrades of the sandbox. Leaving it ends the connection, and
    not the shell: whoever opens the same session finds it.
    """

    def __init__(self, begin: Callable[[], "_native.Call[_native.Terminal]"]) -> None:
        self._begin = begin
        self._native: Optional[_native.Terminal] = None

    @property
    def _open(self) -> _native.Terminal:
        if self._native is None:
            raise RuntimeError("nothing is sent before it is entered")
        return self._native

    def __enter__(self) -> Terminal:
        self._native = self._begin().wait()
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], raised: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._open.events.close()

    @property
    def session(self) -> str:
        """The name of its session."""
        return self._open.session

    @property
    def is_exact(self) -> bool:
        """Whether the sandbox counts what it is sent and has sent, so that nothing is lost or repeated, and says how
        the shell ends. The platform's does neither."""
        return self._open.is_exact

    def send(self, keys: Union[bytes, str]) -> None:
        """Types: what the keys of a terminal give, such as ``"ls\\n"`` or, for Ctrl-C, ``"\\x03"``."""
        self._open.send(keys.encode() if isinstance(keys, str) else keys).wait()

    def resize(self, cols: int, rows: int) -> None:
        """The window has another size."""
        self._open.resize(cols, rows)

    def hang_up(self) -> None:
        """Nobody sits at the terminal any more, and the shell is told so, after everything that was typed."""
        self._open.hang_up()

    def __iter__(self) -> Terminal:
        return self

    def __next__(self) -> TerminalEvent:
        said = self._open.events.next().wait()
        if said is None:
            raise StopIteration
        return terminal_event_of(said)
