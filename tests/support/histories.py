"""Made-up histories of errors, as lines of a history file, and the smallest system to replay them.

Each error is of one of a few kinds that decide its labels, with words of its own that say nothing.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fixstream.cli.learning_config import SystemConfig
from fixstream.streams.window import WindowLimits
from fixstream.trainer.training import LoopConfig
from support.training import TINY_LEARNER

KINDS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("LedgerOops", "ledger refused the entry of account", {"severity": "high", "domain": "cloud"}),
    ("BadgeOops", "badge reader lost its visitor", {"severity": "critical", "domain": "security"}),
    ("CableOops", "cable tray dropped frames of", {"severity": "medium", "domain": "network"}),
    ("PaintOops", "paint robot chose a colour for", {"severity": "low", "domain": "general"}),
)
_CATEGORIES = ("quota", "authorization", "connection", "programming")
_START = datetime(2026, 1, 1, tzinfo=UTC)
_SYLLABLES = ("ba", "do", "ki", "lu", "me", "no", "pi", "ra", "su", "te", "vo", "zy")


def word(source: random.Random) -> str:
    """A word that no other error has."""
    return "".join(source.choice(_SYLLABLES) for _ in range(5))


def history(size: int, seed: int = 0) -> list[dict[str, Any]]:
    """`size` errors of four kinds, a minute apart; nothing but their kind tells their labels."""
    source = random.Random(seed)
    lines = []
    for number in range(size):
        kind = source.randrange(len(KINDS))
        error_type, said, labels = KINDS[kind]
        lines.append(
            {
                "event_id": f"shop-{number}",
                "occurred_at": (_START + timedelta(minutes=number)).isoformat(),
                "service": "shop",
                "error_type": error_type,
                "message": f"{said} {word(source)}\n{word(source)} {word(source)}",
                "labels": {**labels, "category": _CATEGORIES[kind]},
            }
        )
    return lines


def with_shuffled_labels(lines: list[dict[str, Any]], seed: int = 1) -> list[dict[str, Any]]:
    """The same errors, each with the labels of another one: there is nothing to learn from them."""
    labels = [line["labels"] for line in lines]
    random.Random(seed).shuffle(labels)
    return [{**line, "labels": one} for line, one in zip(lines, labels, strict=True)]


def with_duplicates(lines: list[dict[str, Any]], every: int = 6) -> list[dict[str, Any]]:
    """Each `every`th error says again, in another order, what one before it has said."""
    made = [dict(line) for line in lines]
    for number in range(every * 2, len(made), every):
        # Odd, so that it is no duplicate itself: `every` is even.
        original = made[number // every * 2 + 1]
        first, _, rest = original["message"].partition("\n")
        told = f"{' '.join(reversed(first.split()))}\n{rest}"
        made[number] |= {
            "error_type": original["error_type"],
            "message": told,
            "labels": original["labels"],
            "duplicate_of": original["event_id"],
        }
    return made


def tiny_system(folder: Path) -> SystemConfig:
    """A system that fits a test."""
    return SystemConfig(
        learner=TINY_LEARNER,
        loop=LoopConfig(batch_size=TINY_LEARNER.batch_size),
        window=WindowLimits(max_examples=8),
        checkpoint_dir=folder,
        signing_key=folder / "keys" / "signing.pem",
    )
