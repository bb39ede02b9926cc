"""Makes strange text fit for people to look at: bounded, encodable, and without hidden characters.

Characters that show nothing or turn the direction of what follows are spelt out, so that a text
looks like what it is. It escapes nothing: that is the template's business, which knows where a
text goes.
"""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import datetime
from urllib.parse import urlsplit

MAX_TITLE_CHARS = 200
UNKNOWN = "n/a"
_KEPT = frozenset("\n\t")
_HIDDEN_KINDS = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d")
"""Parts of Persian words and of emoji, where they stand between such."""
_PLAIN = re.compile(r"[\n\t -~]*\Z")
_TYPE = re.compile(r"[A-Za-z_$][\w.$:]{2,79}(?=: )")


def visible(value: object) -> object:
    """A text with each hidden character spelt out, such as `⟨U+202E⟩`; else the value itself.

    For every value that a template shows. Text that is markup already passes.
    """
    if not isinstance(value, str) or hasattr(value, "__html__") or _PLAIN.match(value):
        return value
    text = value.replace("\r\n", "\n")
    return "".join(_spelt(text, index) for index in range(len(text)))


def _spelt(text: str, index: int) -> str:
    char = text[index]
    if char in _KEPT or unicodedata.category(char) not in _HIDDEN_KINDS:
        return char
    if char in _JOINERS and 0 < index < len(text) - 1:
        before, after = text[index - 1], text[index + 1]
        if ord(before) > 0x24F and ord(after) > 0x24F:
            return char
    return f"⟨U+{ord(char):04X}⟩"


def one_line(text: str, limit: int = MAX_TITLE_CHARS) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text[: 4 * limit].split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def split_title(title: str) -> tuple[str, str]:
    """A title as the error's type, if it begins with one, and the rest."""
    line = one_line(title) or "(no title)"
    match = _TYPE.match(line)
    return (match.group(), line[match.end() :]) if match else ("", line)


def code_spans(text: str) -> list[tuple[bool, str]]:
    """A text cut at its backticks: whether a part is code, and the part."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # One is left over: it is no border.
        parts[-2:] = ["`".join(parts[-2:])]
    return [(index % 2 == 1, part) for index, part in enumerate(parts) if part]


def safe_link(url: str) -> str | None:
    """The address if a browser may follow it from our page: http or https; else None."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    is_safe = parts.scheme in {"http", "https"} and bool(parts.netloc) and visible(url) == url
    return url if is_safe else None


def age(then: datetime, now: datetime) -> str:
    """How long ago, in words."""
    seconds = max(0, int((now - then).total_seconds()))
    for size, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {name} ago"
    return f"{seconds} s ago" if seconds >= 5 else "just now"


def number(value: float | None) -> str:
    """A number for people."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def percent(value: float | None) -> str:
    """A share for people."""
    return UNKNOWN if value is None else f"{100 * value:.0f} %"
