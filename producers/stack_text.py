"""The stack trace of an exception as text, in the layout that Python itself prints.

So every tool that reads Python traces reads ours, `triage.parse_trace` first of all. Source lines
come from `linecache` and are left out where there is no source. No locals.
"""

from __future__ import annotations

import linecache
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby, islice
from typing import Final

from fixstream.producers.exception_chain import CapturedFrame, Link, chain_of, frames_of
from fixstream.producers.safe_text import clean_text, message_of, type_name

DIRECT_CAUSE: Final = "The above exception was the direct cause of the following exception:"
DURING_HANDLING: Final = "During handling of the above exception, another exception occurred:"
_HEADER = "Traceback (most recent call last):"
_GROUP_HEADER = "Exception Group Traceback (most recent call last):"
_MAX_GROUP_DEPTH = 5
_MAX_GROUP_WIDTH = 10
_MAX_MESSAGE_CHARS = 4000
_MAX_SOURCE_CHARS = 300
_SHOWN_REPEATS = 3
_MAX_LINES = 5000


def stack_text(error: BaseException, max_chars: int) -> str:
    """The whole chain, root cause first, head and tail kept where it is longer than `max_chars`."""
    # The bound is for groups whose members refer back to them: their text would grow for ever.
    return clean_text("\n".join(islice(_chain_lines(error, depth=0), _MAX_LINES)), max_chars)


def _chain_lines(error: BaseException, depth: int) -> Iterator[str]:
    links = chain_of(error)
    for link, following in zip(links, (*links[1:], None), strict=True):
        yield from _exception_lines(link.error, depth)
        if following is not None:
            yield ""
            yield _transition(link)
            yield ""


def _transition(link: Link) -> str:
    return DIRECT_CAUSE if link.is_direct_cause else DURING_HANDLING


def _exception_lines(error: BaseException, depth: int) -> Iterator[str]:
    if isinstance(error, BaseExceptionGroup):
        yield from _group_lines(error, depth)
        return
    if error.__traceback__ is not None:
        yield _HEADER
        yield from _frame_lines(error)
    yield _last_line(error)


def _last_line(error: BaseException) -> str:
    message = message_of(error, _MAX_MESSAGE_CHARS)
    return f"{type_name(error)}: {message}" if message else type_name(error)


def _frame_lines(error: BaseException) -> Iterator[str]:
    frames = frames_of(error.__traceback__)
    yield from _run_lines(frames.head)
    if frames.num_cut:
        yield f"  [... {frames.num_cut} frames cut ...]"
    yield from _run_lines(frames.tail)


def _run_lines(frames: tuple[CapturedFrame, ...]) -> Iterator[str]:
    for frame, run in groupby(frames):
        num_repeats = sum(1 for _ in run)
        lines = _frame_text(frame.file, frame.line, frame.function)
        for _ in range(min(num_repeats, _SHOWN_REPEATS)):
            yield from lines
        if num_repeats > _SHOWN_REPEATS:
            yield f"  [Previous line repeated {num_repeats - _SHOWN_REPEATS} more times]"


@lru_cache(maxsize=4096)
def _frame_text(file: str, line: int, function: str) -> tuple[str, ...]:
    """The frame's line and its source; kept, for it is made on the host's request path."""
    place = f'  File "{file}", line {line}, in {function}'
    source = linecache.getline(file, line).strip()
    return (place, f"    {source[:_MAX_SOURCE_CHARS]}") if source else (place,)


def _group_lines(group: BaseExceptionGroup[BaseException], depth: int) -> Iterator[str]:
    """A group as Python draws it: its own trace behind a bar, then each member behind a frame."""
    yield f"  + {_GROUP_HEADER}"
    for line in _frame_lines(group):
        yield f"  | {line}"
    yield from (f"  | {line}" for line in _last_line(group).split("\n"))
    if depth >= _MAX_GROUP_DEPTH:
        yield "  | [... deeper groups cut ...]"
        return
    members = group.exceptions[:_MAX_GROUP_WIDTH]
    for number, member in enumerate(members, start=1):
        yield f"  {'+-' if number == 1 else '  '}+---------------- {number} ----------------"
        for lines in _chain_lines(member, depth + 1):
            yield from (f"    | {line}" for line in lines.split("\n"))
    if len(group.exceptions) > len(members):
        yield f"    | [... {len(group.exceptions) - len(members)} more exceptions cut ...]"
    yield "    +------------------------------------"
