"""How a call is waited for in an event loop of asyncio or trio. Nobody holds a thread meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import weakref
from typing import Any, Callable, Generic, List, Optional, TypeVar

from . import _native

_T = TypeVar("_T")

_of_loops: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _native.Bell]" = weakref.WeakKeyDictionary()


class Begun(Generic[_T]):
    """A call that was begun. It is to be waited for, or cancelled."""

    def __init__(self, call: "_native.Call[_T]") -> None:
        self._call = call
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._waits: Callable[[], Any] = _begin_in_trio(call)
        else:
            future = loop.create_future()
            call.begin(_bell_of(loop), future)
            self._waits = lambda: future

    def cancel(self) -> None:
        """Ends the call, whatever it is doing."""
        self._call.cancel()

    async def end(self) -> _T:
        """What the call brings. Whoever is cancelled meanwhile ends it."""
        try:
            await self._waits()
        except BaseException:
            self._call.cancel()
            raise
        return self._call.result()


async def finish(call: "_native.Call[_T]") -> _T:
    """Makes a call and waits for it."""
    return await Begun(call).end()


def _bell_of(loop: asyncio.AbstractEventLoop) -> _native.Bell:
    """The bell of an event loop. It is let go of with the loop."""
    bell = _of_loops.get(loop)
    if bell is None:
        bell = _of_loops[loop] = _watched_by(loop) or _native.CallingBell(_tell_by(loop))
    return bell


def _watched_by(loop: asyncio.AbstractEventLoop) -> Optional[_native.Bell]:
    """A bell that a loop watches. Not every loop watches anything."""
    if sys.platform == "win32":
        return None
    bell = _native.WatchedBell()
    try:
        loop.add_reader(bell.fileno(), lambda: _tell(bell.answer()))
    except NotImplementedError:
        return None
    return bell


def _tell_by(loop: asyncio.AbstractEventLoop) -> Callable[[List[Any]], None]:
    """What a thread may call with futures that a loop is to complete. It keeps no loop alive."""
    of_loop = weakref.ref(loop)

    def tell(futures: List[Any]) -> None:
        there = of_loop()
        if there is not None:
            with contextlib.suppress(RuntimeError):  # It is closed: nobody waits.
                there.call_soon_threadsafe(_tell, futures)

    return tell


def _tell(futures: List[Any]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)


_of_trio: Optional[Any] = None


def _begin_in_trio(call: "_native.Call[Any]") -> Callable[[], Any]:
    if "trio" not in sys.modules:
        raise RuntimeError("an asynchronous call needs an event loop of asyncio or trio")
    import trio

    event = trio.Event()
    call.begin(_bell_of_trio(trio), event)
    return event.wait


def _bell_of_trio(trio: Any) -> _native.Bell:
    """The bell of the run that goes on."""
    global _of_trio
    of_run: Any = _of_trio or trio.lowlevel.RunVar("reveille_sandbox bell")
    _of_trio = of_run
    bell: Optional[_native.Bell] = of_run.get(None)
    if bell is None:
        bell = _watched_by_trio(trio) or _native.CallingBell(_tell_by_trio(trio))
        of_run.set(bell)
    return bell


def _watched_by_trio(trio: Any) -> Optional[_native.Bell]:
    """A bell that a task of its own listens to. On Windows it could watch nothing but what comes by the network."""
    if sys.platform == "win32":
        return None
    bell = _native.WatchedBell()

    async def listen() -> None:
        while True:
            await trio.lowlevel.wait_readable(bell.fileno())
            _set(bell.answer())

    trio.lowlevel.spawn_system_task(listen)
    return bell


def _tell_by_trio(trio: Any) -> Callable[[List[Any]], None]:
    """What a thread may call with events that the run is to set."""
    token = trio.lowlevel.current_trio_token()

    def tell(events: List[Any]) -> None:
        with contextlib.suppress(trio.RunFinishedError):
            token.run_sync_soon(_set, events)

    return tell


def _set(events: List[Any]) -> None:
    for event in events:
        event.set()
