"""An exception's causes in order, and its frames. It keeps no frame alive and reads no locals."""

from __future__ import annotations

import sysconfig
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import CodeType, TracebackType
from typing import Final, NamedTuple

MAX_LINKS: Final = 20
"""Most causes that are followed; a chain this long repeats itself."""
MAX_FRAMES: Final = 100
"""Most frames of one traceback that are kept: the first and the last half of these."""


class CapturedFrame(NamedTuple):
    """Where one call stood when the exception passed through it.

    A named tuple, because dozens are made on the host's request path.
    """

    file: str
    line: int
    function: str
    module: str


@dataclass(frozen=True, slots=True)
class CapturedFrames:
    """The frames of one traceback, outermost first."""

    head: tuple[CapturedFrame, ...]
    num_cut: int = 0
    """How many frames were left out between head and tail."""
    tail: tuple[CapturedFrame, ...] = ()

    @property
    def kept(self) -> tuple[CapturedFrame, ...]:
        """Head and tail."""
        return self.head + self.tail


@dataclass(frozen=True, slots=True)
class Link:
    """One exception of a chain."""

    error: BaseException
    is_direct_cause: bool
    """Whether the next one was raised `from` this one, and not just while handling it."""


def chain_of(error: BaseException) -> tuple[Link, ...]:
    """The exception and what led to it, root cause first, `error` last; cycles end the walk."""
    links = [Link(error, is_direct_cause=False)]
    seen = {id(error)}
    while len(links) < MAX_LINKS:
        link = _cause_of(links[-1].error)
        if link is None or id(link.error) in seen:
            break
        seen.add(id(link.error))
        links.append(link)
    return tuple(reversed(links))


def _cause_of(error: BaseException) -> Link | None:
    if error.__cause__ is not None:
        return Link(error.__cause__, is_direct_cause=True)
    if error.__context__ is not None and not error.__suppress_context__:
        return Link(error.__context__, is_direct_cause=False)
    return None


def root_cause(error: BaseException) -> BaseException:
    """The first exception of the chain; where that is a group, the root cause of its first member.

    A group that its own members refer back to is its own root cause.
    """
    root = chain_of(error)[0].error
    for _ in range(MAX_LINKS):
        if not isinstance(root, BaseExceptionGroup):
            break
        root = chain_of(root.exceptions[0])[0].error
    return root


def frames_of(traceback: TracebackType | None) -> CapturedFrames:
    """The frames of a traceback, the middle left out where there are more than `MAX_FRAMES`."""
    nodes = list(_nodes(traceback))
    if len(nodes) <= MAX_FRAMES:
        return CapturedFrames(tuple(map(_captured, nodes)))
    half = MAX_FRAMES // 2
    return CapturedFrames(
        tuple(map(_captured, nodes[:half])),
        len(nodes) - 2 * half,
        tuple(map(_captured, nodes[-half:])),
    )


def _nodes(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _captured(node: TracebackType) -> CapturedFrame:
    code: CodeType = node.tb_frame.f_code
    module = node.tb_frame.f_globals.get("__name__")
    return CapturedFrame(
        code.co_filename,
        # None for code without line numbers, as some template engines make it.
        node.tb_lineno or 0,
        code.co_name,
        module if isinstance(module, str) else "",
    )


def raise_site(error: BaseException) -> tuple[str, int]:
    """File and line of the innermost frame: with the type, a cheap key for 'the same error'."""
    node = error.__traceback__
    if node is None:
        return ("", 0)
    while node.tb_next is not None:
        node = node.tb_next
    return (node.tb_frame.f_code.co_filename, node.tb_lineno or 0)


def in_app_frames(
    traceback: TracebackType | None, in_app_modules: tuple[str, ...], max_frames: int
) -> list[CapturedFrame]:
    """The innermost frames of the application, outermost first.

    Libraries, the interpreter and our own hooks are not the application. `in_app_modules` are
    module prefixes that count as the application's wherever they lie.
    """
    found: deque[TracebackType] = deque(maxlen=max_frames)
    for node in _nodes(traceback):
        module = node.tb_frame.f_globals.get("__name__")
        name = module if isinstance(module, str) else ""
        if _is_in_app(node.tb_frame.f_code.co_filename, name, in_app_modules):
            found.append(node)
    return [_captured(node) for node in found]


@lru_cache(maxsize=4096)
def _is_in_app(file: str, module: str, in_app_modules: tuple[str, ...]) -> bool:
    if _is_within(module, in_app_modules):
        return True
    # Our own hooks are never the application's, even where they are installed from a checkout.
    return not _is_within(module, ("fixstream.producers",)) and not _is_library_file(file)


def _is_within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _is_library_file(file: str) -> bool:
    if file.startswith("<"):
        return True
    if "/site-packages/" in file or "/dist-packages/" in file or "\\site-packages\\" in file:
        return True
    return any(file.startswith(folder) for folder in _library_folders())


@lru_cache(maxsize=1)
def _library_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    folders = {paths["stdlib"], paths["platstdlib"], str(Path(threading_file()).parent)}
    return tuple(folder.rstrip("/\\") + "/" for folder in folders)


def threading_file() -> str:
    """A file of the standard library; in a virtual environment `sysconfig` may name a link."""
    import threading

    return threading.__file__
