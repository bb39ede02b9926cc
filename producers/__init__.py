"""Capture: what turns errors into events on a topic, from inside other people's applications.

Installs without torch, Faust or FastAPI, and never breaks, slows or leaks from its host.

    import fixstream.producers
    fixstream.producers.init(service="orders")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fixstream.producers.crawl import TechnicalDataCrawler
    from fixstream.producers.installation import capture_exception, init, shut_down
    from fixstream.producers.log_handler import ErrorEventHandler
    from fixstream.producers.middleware import ErrorLearningMiddleware
    from fixstream.producers.sinks import EventSink, KafkaSink, MemorySink
    from fixstream.producers.subscription import subscribe
    from fixstream.producers.wsgi import WsgiErrorLearningMiddleware

__all__ = [
    "ErrorEventHandler",
    "ErrorLearningMiddleware",
    "EventSink",
    "KafkaSink",
    "MemorySink",
    "TechnicalDataCrawler",
    "WsgiErrorLearningMiddleware",
    "capture_exception",
    "init",
    "shut_down",
    "subscribe",
]

_HOMES = {
    "init": "installation",
    "capture_exception": "installation",
    "shut_down": "installation",
    "ErrorEventHandler": "log_handler",
    "ErrorLearningMiddleware": "middleware",
    "EventSink": "sinks",
    "KafkaSink": "sinks",
    "MemorySink": "sinks",
    "WsgiErrorLearningMiddleware": "wsgi",
    "subscribe": "subscription",
    "TechnicalDataCrawler": "crawl",
}


def __getattr__(name: str) -> object:
    """Import what is asked for, so that one name does not load what the others need."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
