"""HTML and Markdown of posts to plain text that keeps code blocks as they are.

One pass over the text, linear on hostile input (the standard library's HTML parser is not).
Links, images and scripts go: a suggested fix names its source, and no other address.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_SOURCE_CHARS = 400_000
"""A longer text is cut before it is read."""
FENCE = "```"

_BLOCK_TAGS = frozenset(
    [
        "p",
        "div",
        "br",
        "li",
        "ul",
        "ol",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "tr",
        "table",
        "blockquote",
        "hr",
        "section",
        "details",
        "summary",
        "dd",
        "dt",
    ]
)
_HIDDEN_TAGS = frozenset({"script", "style", "template", "svg"})
_TAG_NAME = re.compile(r"</?([A-Za-z][A-Za-z0-9-]{0,20})")
_SPACES = re.compile(r"[ \t\r\n\f\v]+")
_BLANK_LINES = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")
_INDENT = re.compile(r"(?: {4}|\t)")


@dataclass(frozen=True, slots=True)
class RichText:
    """A text and the code in it."""

    text: str
    """Everything, code blocks between fences."""
    code_blocks: tuple[str, ...] = ()

    def without(self, code_block: str) -> str:
        """The text less one of its code blocks."""
        return _tidied(self.text.replace(_fenced(code_block), "\n", 1))


def text_of_html(source: str) -> RichText:
    """The text of an HTML fragment, as the APIs give it in `body` or `text`."""
    reading = _HtmlReading()
    for tag, is_end, text in _tokens(source[:MAX_SOURCE_CHARS]):
        if tag:
            reading.tag(tag, is_end)
        elif text:
            reading.data(html.unescape(text))
    return reading.result()


def text_of_markdown(source: str) -> RichText:
    """The text of a Markdown post: fenced and indented code told apart, HTML comments left out."""
    lines = _without_comments(source[:MAX_SOURCE_CHARS]).replace("\r\n", "\n").split("\n")
    parts: list[str] = []
    blocks: list[str] = []
    code: list[str] | None = None
    fence = ""
    for line in lines:
        mark = line.lstrip()[:3]
        if code is not None and (mark == fence if fence else not _is_indented(line)):
            _close(code, blocks, parts)
            code, is_fence, fence = None, bool(fence), ""
            if is_fence:
                continue
        if code is not None:
            code.append(line if fence else _INDENT.sub("", line, count=1))
        elif mark in {FENCE, "~~~"}:
            code, fence = [], mark
        elif _INDENT.match(line) and line.strip() and (not parts or not parts[-1].strip()):
            code = [_INDENT.sub("", line, count=1)]
        else:
            parts.append(line)
    if code is not None:
        _close(code, blocks, parts)
    return RichText(_tidied("\n".join(parts)), tuple(blocks))


def _is_indented(line: str) -> bool:
    return not line.strip() or _INDENT.match(line) is not None


def _close(code: list[str], blocks: list[str], parts: list[str]) -> None:
    block = "\n".join(code).strip("\n").rstrip()
    if block:
        blocks.append(block)
        parts.append(_fenced(block))


class _HtmlReading:
    """What has been read of one fragment."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._blocks: list[str] = []
        self._code: list[str] | None = None
        self._hidden = ""

    def tag(self, name: str, is_end: bool) -> None:
        if name in _HIDDEN_TAGS:
            self._hidden = "" if is_end else name
        elif name == "pre":
            self._end_code()
            self._code = None if is_end else []
        elif self._code is not None:
            if name == "br":
                self._code.append("\n")
        elif name == "code":
            self._parts.append("`")
        elif name in _BLOCK_TAGS:
            self._parts.append("\n- " if name == "li" and not is_end else "\n")

    def data(self, text: str) -> None:
        if self._hidden:
            return
        if self._code is not None:
            self._code.append(text)
        else:
            self._parts.append(_SPACES.sub(" ", text))

    def result(self) -> RichText:
        self._end_code()
        return RichText(_tidied("".join(self._parts)), tuple(self._blocks))

    def _end_code(self) -> None:
        if self._code is not None:
            code = ["".join(self._code).replace("\r\n", "\n")]
            _close(code, self._blocks, self._parts)
        self._code = None


def _tokens(source: str) -> Iterator[tuple[str, bool, str]]:
    """Tags as (name, whether it ends, "") and text as ("", False, text)."""
    position = 0
    while (start := source.find("<", position)) >= 0:
        yield "", False, source[position:start]
        if source.startswith("<!--", start):
            end, width = source.find("-->", start + 4), 3
        elif name := _TAG_NAME.match(source, start):
            end, width = source.find(">", start), 1
            if end >= 0:
                yield name[1].lower(), source[start + 1] == "/", ""
        elif source.startswith(("<!", "<?"), start):
            end, width = source.find(">", start), 1
        else:
            end, width = start, 1
            yield "", False, "<"
        if end < 0:  # Never closed: what a browser would hide is shown, for nothing may be lost.
            yield "", False, source[start:]
            return
        position = end + width
    yield "", False, source[position:]


def _without_comments(source: str) -> str:
    kept: list[str] = []
    position = 0
    while (start := source.find("<!--", position)) >= 0:
        end = source.find("-->", start + 4)
        if end < 0:
            break
        kept.append(source[position:start])
        position = end + 3
    return "".join((*kept, source[position:]))


def _fenced(block: str) -> str:
    return f"\n{FENCE}\n{block}\n{FENCE}\n"


def _tidied(text: str) -> str:
    """Without spaces at the ends of prose lines and without runs of blank lines."""
    return _BLANK_LINES.sub("\n\n", text.replace(" \n", "\n").replace("\n ", "\n ")).strip()
