"""Solutions from a file of JSON lines, checked and completed; publishing them is `publishing`'s."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from fixstream.producers.json_lines import BadLine, read_json_lines
from fixstream.producers.line_fields import LineFields
from fixstream.schemas.enums import Category, Domain
from fixstream.schemas.errors import DeadLetter
from fixstream.schemas.records import PUBLIC, Provenance, Solution
from fixstream.schemas.validation import validate

_UNCUT_CHARS = 100_000
"""A solution is shown as its author wrote it: validation refuses what is too long, nothing cuts."""


def read_solutions(path: Path, *, created_at: datetime) -> Iterator[Solution | BadLine]:
    """The solutions of a file in its order; a line that cannot be used comes as `BadLine`.

    `title` and `text` are required. A missing `solution_id` becomes a function of the content, so
    that a second import of the same file changes nothing; a missing `created_at` becomes the
    argument. Provenance may stand in an object `provenance` or beside the other fields.

    Raises:
        Misconfigured: The file cannot be opened.
    """
    for line in read_json_lines(path):
        if isinstance(line.content, BadLine):
            yield line.content
            continue
        try:
            yield solution_from(line.content, created_at, default_url=f"file:{path.name}")
        except DeadLetter as error:
            yield BadLine(path, line.line_number, str(error))


def solution_from(
    content: Mapping[str, Any], created_at: datetime, *, default_url: str = "file:import"
) -> Solution:
    """One solution from the object of its line.

    Raises:
        InvalidRecord: A field is missing or wrong; the message names it.
        TooLarge: A text is over its limit.
    """
    fields = LineFields(content)
    title = fields.required_text("title", _UNCUT_CHARS)
    text = fields.required_text("text", _UNCUT_CHARS)
    error_type = fields.text("error_type", _UNCUT_CHARS)
    solution = Solution(
        solution_id=fields.text("solution_id", _UNCUT_CHARS)
        or content_id(title, text, error_type or ""),
        title=title,
        text=text,
        error_type=error_type,
        domain=fields.choice("domain", Domain),
        category=fields.choice("category", Category),
        fingerprint=fields.text("fingerprint", _UNCUT_CHARS),
        provenance=_provenance(fields.nested("provenance") or fields, default_url),
        votes=fields.whole_number("votes"),
        is_accepted=fields.flag("is_accepted"),
        visibility=fields.text("visibility", _UNCUT_CHARS) or PUBLIC,
        created_at=fields.time("created_at") or created_at,
    )
    validate(solution)
    return solution


def content_id(*parts: str) -> str:
    """The id of a solution that came without one: 32 hex digits of a hash of its parts."""
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()


def _provenance(fields: LineFields, default_url: str) -> Provenance:
    return Provenance(
        url=fields.text("url", _UNCUT_CHARS) or default_url,
        author=fields.text("author", _UNCUT_CHARS),
        license=fields.text("license", _UNCUT_CHARS),
        retrieved_at=fields.time("retrieved_at"),
    )
