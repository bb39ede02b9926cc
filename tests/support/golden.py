"""Golden messages: bytes that every later version has to read. `python -m support.golden` adds
those of a new schema version; it never changes one that is there."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fixstream.schemas.catalogue import shipped
from fixstream.schemas.codec import encode
from fixstream.schemas.records import Record
from support.records import SAMPLES

FOLDER = Path(__file__).parent.parent / "schemas" / "golden"


def readable(value: Any) -> Any:
    """A record, or what an Avro library makes of its bytes, as plain JSON values."""
    if dataclasses.is_dataclass(value):
        return {
            field.name: readable(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {name: readable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [readable(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value.hex() if isinstance(value, bytes) else value


def path_of(record: Record, version: int, suffix: str) -> Path:
    """Where the golden message of this record's schema version lies."""
    return FOLDER / f"{type(record).__name__}.v{version}.{suffix}"


def main() -> None:
    """Writes the messages that are missing."""
    FOLDER.mkdir(exist_ok=True)
    for record in SAMPLES:
        version = shipped().newest(type(record).__name__).version
        message = path_of(record, version, "bin")
        if not message.exists():
            message.write_bytes(encode(record))
            content = json.dumps(readable(record), indent=2, ensure_ascii=False)
            path_of(record, version, "json").write_text(content + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
