"""Blocking calls off the event loop, in threads that nobody waits for when the process ends.

`asyncio.to_thread` uses a pool whose threads are joined at the end: a host that says nothing would
hold up a stop for as long as a request may take.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


async def in_daemon_thread(call: Callable[[], T]) -> T:
    """What the call returns or raises; when cancelled, the call goes on and its result is lost."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(how: Callable[[Any], None], value: Any) -> None:
        if not future.done():
            how(value)

    def work() -> None:
        try:
            done = partial(settle, future.set_result, call())
        except BaseException as error:  # noqa: BLE001 -- it is raised again where it is awaited
            done = partial(settle, future.set_exception, error)
        with suppress(RuntimeError):  # The loop is closed: nobody waits any more.
            loop.call_soon_threadsafe(done)

    threading.Thread(target=work, name="fixstream-crawl-call", daemon=True).start()
    return await future
