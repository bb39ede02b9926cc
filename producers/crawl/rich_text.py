"""HTML and Markdown of posts to plain text that keeps code blocks as they are.

One pass over the text, linear on hostile input (the standard library's HTML parser is not).
Links, images and scripts go: a suggested fix names its source, and no other address.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MAX_SOURCE_CHARS = 400_000
"""A longer text is cut before it is read."""
FENCE = "```"

_PARAGRAPH_TAGS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "hr", "table"})
_LINE_TAGS = frozenset({"br", "div", "li", "ul", "ol", "tr", "dt", "dd", "section", "details"})
_HIDDEN_TAGS = frozenset({"script", "style", "template", "svg"})
_TAG_NAME = re.compile(r"</?([A-Za-z][A-Za-z0-9-]{0,20})")
_SPACES = re.compile(r"[ \t\r\n\f\v]+")
_BLANK_LINES = re.compile(r"\n\n\n+")
_FENCE_MARK = re.compile(r" {0,3}(`{3,10}|~{3,10})")
_INDENT = re.compile(r"(?: {4}|\t)")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of prose, or one code block."""

    text: str
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class RichText:
    """A text, its code told apart from its prose."""

    pieces: tuple[Piece, ...] = ()

    @property
    def text(self) -> str:
        """Everything, code blocks between fences."""
        return _joined(self.pieces)

    @property
    def code_blocks(self) -> tuple[str, ...]:
        """The code alone."""
        return tuple(piece.text for piece in self.pieces if piece.is_code)

    def without(self, code_block: str) -> str:
        """The text less one of its code blocks."""
        left_out = Piece(code_block, is_code=True)
        return _joined(piece for piece in self.pieces if piece != left_out)


def _joined(pieces: Iterable[Piece]) -> str:
    shown = (f"{FENCE}\n{one.text}\n{FENCE}" if one.is_code else one.text for one in pieces)
    return "\n\n".join(shown)


class _Writing:
    """Collects pieces."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        self._prose: list[str] = []

    def prose(self, text: str) -> None:
        self._prose.append(text)

    def code(self, text: str) -> None:
        self._end_prose()
        text = text.replace("\r\n", "\n").strip("\n").rstrip()
        if text:
            self._pieces.append(Piece(text, is_code=True))

    def result(self) -> RichText:
        self._end_prose()
        return RichText(tuple(self._pieces))

    def _end_prose(self) -> None:
        lines = [line.rstrip() for line in "".join(self._prose).split("\n")]
        text = _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()
        if text:
            self._pieces.append(Piece(text))
        self._prose = []


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
    source = _without_comments(source[:MAX_SOURCE_CHARS]).replace("\r\n", "\n")
    reading = _MarkdownReading()
    for line in source.split("\n"):
        reading.line(line)
    return reading.result()


class _MarkdownReading:
    """What has been read of one post."""

    def __init__(self) -> None:
        self._writing = _Writing()
        self._code: list[str] | None = None
        self._fence = ""
        self._is_after_blank = True

    def line(self, line: str) -> None:
        if self._code is None:
            self._prose_line(line)
        elif self._fence:
            if line.strip().startswith(self._fence) and not line.strip().strip(self._fence[0]):
                self._end_code()
            else:
                self._code.append(line)
        elif line.strip() and not _INDENT.match(line):
            self._end_code()
            self._prose_line(line)
        else:
            self._code.append(_INDENT.sub("", line, count=1))

    def result(self) -> RichText:
        self._end_code()
        return self._writing.result()

    def _prose_line(self, line: str) -> None:
        fence = _FENCE_MARK.match(line)
        if fence:
            self._code, self._fence = [], fence[1]
        elif self._is_after_blank and line.strip() and _INDENT.match(line):
            self._code, self._fence = [_INDENT.sub("", line, count=1)], ""
        else:
            self._writing.prose(line + "\n")
            self._is_after_blank = not line.strip()

    def _end_code(self) -> None:
        if self._code is not None:
            self._writing.code("\n".join(self._code))
        self._code, self._is_after_blank = None, True


class _HtmlReading:
    """What has been read of one fragment."""

    def __init__(self) -> None:
        self._writing = _Writing()
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
        else:
            self._writing.prose(_mark(name, is_end))

    def data(self, text: str) -> None:
        if self._hidden:
            return
        if self._code is not None:
            self._code.append(text)
        else:
            self._writing.prose(_SPACES.sub(" ", text))

    def result(self) -> RichText:
        self._end_code()
        return self._writing.result()

    def _end_code(self) -> None:
        if self._code is not None:
            self._writing.code("".join(self._code))
        self._code = None


def _mark(name: str, is_end: bool) -> str:
    """What stands for a tag in plain text."""
    if name == "code":
        return "`"
    if name == "li" and not is_end:
        return "\n- "
    if name in _PARAGRAPH_TAGS:
        return "\n\n"
    return "\n" if name in _LINE_TAGS else ""


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
