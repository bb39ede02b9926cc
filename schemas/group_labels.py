"""How sayings about a group add up: operators over feedback, the newer over the older.

One record holds all that was said of a group, so whoever writes one reads the old one first and
writes both together. Pure; reads and writes no topic.
"""

from __future__ import annotations

from dataclasses import replace

from fixstream.schemas.enums import LabelSource
from fixstream.schemas.records import GroupLabels, Label

AUTHORITIES = (LabelSource.FEEDBACK, LabelSource.OPERATOR)
"""Who may speak for a whole group, the weaker first. What others say stays with their event."""


def with_newer(old: GroupLabels | None, new: GroupLabels) -> GroupLabels:
    """What holds once `new` was said: its labels where they may, the old ones elsewhere.

    Raises:
        ValueError: The two speak of different groups.
    """
    if old is None:
        return new
    if old.fingerprint != new.fingerprint:
        raise ValueError("labels of two groups do not add up")
    return replace(
        new,
        domain=_stronger(old.domain, new.domain),
        severity=_stronger(old.severity, new.severity),
        category=_stronger(old.category, new.category),
    )


def _stronger(old: Label | None, new: Label | None) -> Label | None:
    return old if new is None or _rank(old) > _rank(new) else new


def _rank(label: Label | None) -> int:
    return AUTHORITIES.index(label.source) if label and label.source in AUTHORITIES else -1
