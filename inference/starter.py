"""Fixes from JSON lines: the starter set that ships with the package, and files to import.

One line is one `Solution` with the record's field names; `provenance` is an object, times are RFC
3339 in UTC. A line that does not hold a solution stops the reading with its number and the field.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from fixstream.schemas.enums import Category, Domain
from fixstream.schemas.records import PUBLIC, Provenance, Solution

Text = Annotated[str, Field(min_length=1, max_length=64 * 1024)]
ShortText = Annotated[str, Field(min_length=1, max_length=2000)]


class _ProvenanceLine(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    url: ShortText
    author: str | None = None
    license: str | None = None
    retrieved_at: AwareDatetime | None = None


class _SolutionLine(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    solution_id: ShortText
    title: ShortText
    text: Text
    error_type: str | None = None
    domain: Domain | None = None
    category: Category | None = None
    fingerprint: str | None = None
    provenance: _ProvenanceLine
    votes: int | None = None
    is_accepted: bool = False
    visibility: ShortText = PUBLIC
    created_at: AwareDatetime


def parse_solutions(lines: Iterable[str], source: str) -> Iterator[Solution]:
    """The solutions of a JSON-lines text, in order; empty lines are passed over.

    Raises:
        ValueError: A line holds no solution; the message names `source`, line and field.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            parsed = _SolutionLine.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            field = ".".join(str(part) for part in first["loc"])
            raise ValueError(f"{source}:{number}: {field or 'line'}: {first['msg']}") from None
        fields = {name: getattr(parsed, name) for name in type(parsed).model_fields}
        fields["provenance"] = Provenance(**parsed.provenance.model_dump())
        fields["domain"] = parsed.domain.value if parsed.domain else None
        fields["category"] = parsed.category.value if parsed.category else None
        yield Solution(**fields)


def starter_solutions() -> tuple[Solution, ...]:
    """The fixes that ship with the package, in the order of their files' names."""
    folder = resources.files("fixstream.inference") / "starter"
    files = sorted(_jsonl_files(folder), key=lambda file: file.name)
    return tuple(
        solution
        for file in files
        for solution in parse_solutions(
            file.read_text(encoding="utf-8").splitlines(), f"starter/{file.name}"
        )
    )


def _jsonl_files(folder: Traversable) -> Iterator[Traversable]:
    return (file for file in folder.iterdir() if file.name.endswith(".jsonl"))
