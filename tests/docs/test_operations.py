"""What docs/operations.md says an outsider can do with a plain Avro reader works."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import fastavro
import pytest
from cryptography.exceptions import InvalidSignature

from fixstream.schemas.codec import encode
from fixstream.trainer.signing import SigningKey
from support.records import UPDATE

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "schemas" / "avro" / "model_update.v2.avsc"


def test_an_outsider_can_verify_a_model_update(tmp_path: Path) -> None:
    key = SigningKey.load_or_create(tmp_path / "signing.pem")
    value = encode(key.sign_update(UPDATE))
    schema = fastavro.parse_schema(json.loads(SCHEMA.read_text(encoding="utf-8")))
    update: Any = fastavro.schemaless_reader(io.BytesIO(value[10:]), schema, None)
    scope: dict[str, Any] = {}
    exec(_block(), scope)  # noqa: S102 - our own guide
    public_key = tmp_path / f"{update['key_id']}.pub"
    scope["verify"](update, public_key)
    scope["verify"]({**update, **_unblocked(key)}, public_key)
    for name, other in (
        ("version", 99),
        ("metrics", {}),
        ("lineage", []),
        ("blocked", []),
        ("reason", "x"),
    ):
        with pytest.raises(InvalidSignature):
            scope["verify"]({**update, name: other}, public_key)


def _unblocked(key: SigningKey) -> dict[str, Any]:
    """What a signature from before there were blocked ranges looks like."""
    return {"blocked": [], "signature": key.sign_update(replace(UPDATE, blocked=())).signature}


def _block() -> str:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    match = re.search(r"<!-- operations: verify -->\n```python\n(.*?)```", text, re.DOTALL)
    assert match is not None
    return match[1]
