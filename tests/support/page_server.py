"""The page on a real port, and a headless browser that looks at it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright
from starlette.types import ASGIApp

from fixstream.inference.service import listening, serve, server_config
from fixstream.inference.settings import InferenceSettings
from fixstream.runtime.stopping import StopSignal

CHROMIUM = "/usr/bin/chromium"


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Serves an application; gives its address."""
    with listening("127.0.0.1", 0) as listener:
        stop = StopSignal()
        config = server_config(app, InferenceSettings())
        thread = threading.Thread(target=serve, args=(config, listener, stop))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stop.set()
            thread.join()


@contextmanager
def browser() -> Iterator[Browser]:
    """One headless Chromium, the system's own."""
    with sync_playwright() as playwright:
        # No sandbox: containers seldom allow one, and it looks at our own page only.
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield started
        finally:
            started.close()
