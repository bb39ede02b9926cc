"""Whether all shipped versions of a record can read each other (FULL_TRANSITIVE).

The rules are Avro's own, asked of the Apache library, which is slow and therefore imported here
only, when the question is asked. It compares schemas with each other; that they also fit the
records in code is a test's business.
"""

from __future__ import annotations

from dataclasses import dataclass

from fixstream.schemas.catalogue import Catalogue, Schema, shipped
from fixstream.schemas.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class Incompatibility:
    """One pair of versions where the reader cannot read what the writer wrote."""

    record: str
    reader_version: int
    writer_version: int
    reasons: tuple[str, ...]
    """Avro's own words, with the place in the schema."""

    def __str__(self) -> str:
        return (
            f"{self.record}: v{self.reader_version} cannot read v{self.writer_version}:"
            f" {'; '.join(self.reasons)}"
        )


def incompatibilities(catalogue: Catalogue | None = None) -> list[Incompatibility]:
    """Compares every version of every record with every other, in both directions.

    Args:
        catalogue: What to compare; None takes the shipped schemas.

    Returns:
        What does not fit; an empty list is the good answer.

    Raises:
        Misconfigured: The package `avro` is not installed.
    """
    catalogue = catalogue or shipped()
    found = []
    for record in catalogue.records():
        versions = catalogue.versions(record)
        for reader in versions:
            for writer in versions:
                reasons = _reasons(reader, writer)
                if reasons:
                    found.append(
                        Incompatibility(record, reader.version, writer.version, tuple(reasons))
                    )
    return found


def _reasons(reader: Schema, writer: Schema) -> list[str]:
    try:
        from avro import compatibility, schema
    except ImportError as error:
        raise Misconfigured("comparing schemas needs the package avro") from error
    checker = compatibility.ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
    result = checker.get_compatibility(schema.parse(reader.text), schema.parse(writer.text))
    if result.compatibility is compatibility.SchemaCompatibilityType.compatible:
        return []
    return [*sorted(result.messages), f"at {', '.join(sorted(result.locations))}"]
