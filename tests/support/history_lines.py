"""Lines of history files, complete and sparse, and files of them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

FULL: dict[str, Any] = {
    "event_id": "shop-1",
    "occurred_at": "2026-01-02T03:04:05Z",
    "service": "shop",
    "error_type": "KeyError",
    "message": "no sku",
    "stack_trace": "Traceback ...",
    "labels": {"severity": "high", "domain": "cloud", "category": "quota"},
    "duplicate_of": "shop-0",
    "solution": {"solution_id": "s1", "text": "restart", "url": "u", "license": "l", "author": "a"},
    "resolved_at": "2026-01-03T00:00:00+01:00",
}
SPARSE: dict[str, Any] = {
    "event_id": "shop-2",
    "occurred_at": None,
    "service": "shop",
    "error_type": None,
    "message": "it broke",
    "stack_trace": None,
    "labels": {},
    "duplicate_of": None,
    "solution": None,
    "resolved_at": None,
}


def write(path: Path, *lines: object) -> Path:
    """Writes objects as JSON and strings as they are, compressed if the name ends in .gz."""
    text = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path
