"""How a call is waited for in an event loop of asyncio or trio. Nobody holds a thread meanwhile."""

from __future__ import annotations

import asyncio
import sys
import weakref
from typing import Any, Callable, Generic, Optional, TypeVar

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
    """The bell that an event loop listens to. It is let go of with the loop."""
    bell = _of_loops.get(loop)
    if bell is None:
        bell = _native.Bell()
        loop.add_reader(bell.fileno(), _answer, bell)
        _of_loops[loop] = bell
    return bell


def _answer(bell: _native.Bell) -> None:
    for future in bell.answer():
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
    """The bell of the run that goes on, which a task of its own listens to."""
    global _of_trio
    of_run: Any = _of_trio or trio.lowlevel.RunVar("reveille_sandbox bell")
    _of_trio = of_run
    there: Optional[_native.Bell] = of_run.get(None)
    if there is not None:
        return there
    bell = _native.Bell()

    async def listen() -> None:
        while True:
            await trio.lowlevel.wait_readable(bell.fileno())
            for event in bell.answer():
                event.set()

    trio.lowlevel.spawn_system_task(listen)
    of_run.set(bell)
    return bell
