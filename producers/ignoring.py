"""Which errors a host does not want to hear of: by class, by name, by message, by logger.

Names and messages may be globs (`*`, `?`, `[...]`), compared with regard to case. Clients that go
away in the middle of a request are ignored by default: nothing in the host is wrong then.
"""

from __future__ import annotations

import re
from fnmatch import translate
from functools import lru_cache
from typing import Final

from fixstream.producers.safe_text import message_of

CLIENT_LEFT: Final = (
    "starlette.requests.ClientDisconnect",
    "starlette.websockets.WebSocketDisconnect",
    "uvicorn.protocols.utils.ClientDisconnected",
    "litestar.exceptions.websocket_exceptions.WebSocketDisconnect",
    "django.core.exceptions.RequestAborted",
)
_GLOB: Final = frozenset("*?[")
_MAX_MESSAGE_CHARS: Final = 4096


class IgnoreList:
    """Made once of what was configured; cheap to ask."""

    def __init__(
        self,
        types: tuple[type[BaseException] | str, ...],
        messages: tuple[str, ...] = (),
        loggers: tuple[str, ...] = (),
    ) -> None:
        names = [entry for entry in types if isinstance(entry, str)]
        self._classes = tuple(entry for entry in types if not isinstance(entry, str))
        self._names = frozenset(name for name in names if not _GLOB & set(name)) | set(CLIENT_LEFT)
        self._name_globs = _compiled(tuple(name for name in names if _GLOB & set(name)))
        self._messages = _compiled(messages)
        self._loggers = _compiled(loggers)
        self._is_named = lru_cache(maxsize=1024)(self._class_is_named)

    def takes(self, error: BaseException) -> bool:
        """Whether the error is to be ignored, by its class or its message."""
        if self._classes and isinstance(error, self._classes):
            return True
        if self._is_named(type(error)):  # type: ignore[arg-type]  # mypy: a class's hash is odd
            return True
        return self._messages is not None and self.takes_message(
            message_of(error, _MAX_MESSAGE_CHARS)
        )

    def takes_message(self, message: str) -> bool:
        """Whether an error that has this message is to be ignored."""
        if self._messages is None:
            return False
        return self._messages.match(message[:_MAX_MESSAGE_CHARS]) is not None

    def takes_logger(self, name: str) -> bool:
        """Whether what this logger is told is to be ignored."""
        return self._loggers is not None and self._loggers.match(name) is not None

    def _class_is_named(self, error_class: type[BaseException]) -> bool:
        for one in error_class.__mro__:
            for name in (one.__qualname__, f"{one.__module__}.{one.__qualname__}"):
                if name in self._names or (self._name_globs and self._name_globs.match(name)):
                    return True
        return False


def _compiled(globs: tuple[str, ...]) -> re.Pattern[str] | None:
    return re.compile("|".join(map(translate, globs))) if globs else None
