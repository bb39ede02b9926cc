"""The manifest of a checkpoint: what is in it, and up to where it has learnt.

The offsets stand here, and not in Kafka's group commits, because no transaction could cover both
a commit and a file: whoever loads the weights also has the place to go on reading from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from dataclasses import fields as dataclass_fields
from datetime import datetime
from typing import Any

from fixstream.schemas.enums import UpdateKind
from fixstream.schemas.errors import ArtifactRejected
from fixstream.schemas.records import OffsetRange
from fixstream.trainer.network import ModelConfig

MANIFEST_FORMAT = 1
MAX_MANIFEST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class PartitionOffset:
    """Everything of this partition below `next_offset` has been learnt from, or set aside."""

    topic: str
    partition: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a checkpoint."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the examples, since the very first start."""

    steps: int = 0
    """Optimizer steps."""
    trained: int = 0
    """New examples that were trained on, each once; replays do not count."""
    held_out: int = 0
    """Examples that went to the validation set instead."""
    skipped: int = 0
    """Examples seen again after a crash of the processor, and left out."""
    set_aside: int = 0
    """Examples that the network could not be trained on (non-finite loss)."""
    blocked: int = 0
    """Examples of blocked ranges, passed over."""
    quarantined: int = 0
    """Examples that wait for the end of their quarantine."""
    dropped: int = 0
    """Examples that are never trained on: a quarantine without an end, or no place to wait."""

    @property
    def seen(self) -> int:
        """Distinct examples that were accounted for."""
        return self.trained + self.held_out + self.set_aside + self.quarantined + self.dropped


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One checkpoint. `files` is filled in by the store."""

    model: str
    version: int
    parent: int | None
    champion: int | None
    """The promoted version that is in use after this checkpoint's verdict."""
    kind: UpdateKind
    reason: str | None
    created_at: datetime
    config: ModelConfig
    seed: int
    counts: Counts
    batch_offsets: tuple[PartitionOffset, ...]
    """Where to go on in each partition of the training batches."""
    origin_offsets: tuple[PartitionOffset, ...]
    """Examples below these offsets were seen already, in whichever batch they come again."""
    lineage: tuple[OffsetRange, ...]
    """Origin ranges that were learnt from since the parent."""
    metrics: Mapping[str, float]
    versions: Mapping[str, str]
    files: Mapping[str, FileEntry] = field(default_factory=dict)
    feedback_offsets: tuple[PartitionOffset, ...] = ()
    """Where to go on in each partition of the feedback."""

    @property
    def size_bytes(self) -> int:
        """All files together."""
        return sum(entry.size_bytes for entry in self.files.values())

    def to_bytes(self) -> bytes:
        """Canonical JSON; what the signature covers."""
        fields = asdict(self)
        fields["format"] = MANIFEST_FORMAT
        fields["created_at"] = self.created_at.isoformat()
        return json.dumps(fields, sort_keys=True, indent=1, allow_nan=False).encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Reads a manifest.

        Raises:
            ArtifactRejected: it is no manifest, or of a format that this version does not know.
        """
        if len(data) > MAX_MANIFEST_BYTES:
            raise ArtifactRejected(f"manifest.json is too large: {len(data)} bytes")
        try:
            fields: dict[str, Any] = json.loads(data)
            if fields.pop("format") != MANIFEST_FORMAT:
                raise ArtifactRejected("manifest.json is of an unknown format")
            return cls(**_known(cls, _typed(fields)))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ArtifactRejected(f"manifest.json cannot be read: {error}") from error


def _typed(fields: dict[str, Any]) -> dict[str, Any]:
    """JSON's plain values as the types of the fields."""
    return {
        **fields,
        "kind": UpdateKind(fields["kind"]),
        "created_at": datetime.fromisoformat(fields["created_at"]),
        "config": ModelConfig(**fields["config"]),
        "counts": Counts(**_known(Counts, fields["counts"])),
        "batch_offsets": tuple(PartitionOffset(**one) for one in fields["batch_offsets"]),
        "origin_offsets": tuple(PartitionOffset(**one) for one in fields["origin_offsets"]),
        "lineage": tuple(OffsetRange(**one) for one in fields["lineage"]),
        "feedback_offsets": tuple(
            PartitionOffset(**one) for one in fields.get("feedback_offsets", ())
        ),
        "files": {name: FileEntry(**one) for name, one in fields["files"].items()},
    }


def _known(record: type, values: dict[str, Any]) -> dict[str, Any]:
    """Without what a later version may have added; the signature covers it all the same."""
    names = {each.name for each in dataclass_fields(record)}
    return {name: value for name, value in values.items() if name in names}


def sha256_hex(data: bytes) -> str:
    """The hash by which manifests name files, and updates name manifests."""
    return hashlib.sha256(data).hexdigest()
