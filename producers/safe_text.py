"""Text that can be encoded, of a size that can be sent, out of whatever an exception holds.

Nothing here raises, however the host's objects behave.
"""

from __future__ import annotations

from typing import Final

_NUL_MARK: Final = "\\x00"
_MARK_CHARS: Final = 48
"""Room for the mark that says how much was cut."""


def clean_text(text: str, max_chars: int) -> str:
    """`text` without NUL and lone surrogates, in at most `max_chars` characters.

    The first cut comes before the cleaning, so the cost depends on `max_chars` and not on the
    text's length.
    """
    text = cut_middle(text, max_chars)
    if text.isascii() and "\x00" not in text:
        return text
    text = text.replace("\x00", _NUL_MARK)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-8", "backslashreplace").decode()
    return cut_middle(text, max_chars)


def cut_middle(text: str, max_chars: int) -> str:
    """Head and tail of a long text, two thirds to one: both ends of an error tell something."""
    if len(text) <= max_chars:
        return text
    if max_chars < 4 * _MARK_CHARS:
        return text[:max_chars]
    num_kept = max_chars - _MARK_CHARS
    num_head = num_kept * 2 // 3
    num_tail = num_kept - num_head
    mark = f"\n[... {len(text) - num_kept} characters cut ...]\n"
    return f"{text[:num_head]}{mark}{text[len(text) - num_tail :]}"


def type_name(error: BaseException) -> str:
    """The exception's class as a reader knows it: built-in ones bare, others with their module."""
    error_class = type(error)
    name = error_class.__qualname__
    # A class may put anything under that name, a property included.
    module: object = getattr(error_class, "__module__", None)
    if not isinstance(module, str) or module in {"builtins", "__main__"}:
        return name
    return f"{module}.{name}"


def message_of(error: BaseException, max_chars: int) -> str:
    """What `str` and the notes of the exception say, or that they cannot be had."""
    try:
        # str() may return a subclass with surprises of its own; joining makes it plain.
        text = "".join((str(error),))
    except Exception as failure:  # noqa: BLE001 -- the host's __str__ may raise anything
        text = f"<no message: __str__ raised {type(failure).__name__}>"
    return clean_text("\n".join((text, *_notes(error))), max_chars)


def _notes(error: BaseException) -> list[str]:
    notes = getattr(error, "__notes__", None)
    if not isinstance(notes, list):
        return []
    return [note for note in notes[:20] if isinstance(note, str)]
