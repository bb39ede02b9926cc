"""How much the rules' labels may count: what they claim at first, later what they have earned.

A rule states a confidence that its author thought right; here it meets what people said of the very
same errors. The claim counts as much as a few answers, so that it stands where nobody ever reports
a label. Counts fade, for rules and services change. It knows no rules and no models.
"""

from __future__ import annotations

import threading
from dataclasses import replace

from fixstream.schemas.enums import LabelSource
from fixstream.schemas.records import Label, Labels

CLAIM_WEIGHT = 20.0
"""How many answers a rule's own claim is worth."""
_KEEP = 0.999
"""An answer counts half after some 700 others with the same claim."""

_HEADS = ("domain", "severity", "category")
_Claim = tuple[str, str, float]
"""Head, value, and the confidence that the rule states."""


class RuleTrust:
    """Counts how often the rules were right. Safe to use from several threads."""

    def __init__(self) -> None:
        """Starts by believing every claim."""
        self._lock = threading.Lock()
        self._tallies: dict[_Claim, tuple[float, float]] = {}  # answers, right ones; both fading

    def observe(self, ruled: Labels, reported: Labels) -> None:
        """Compares what the rules say of an error with what people have said of it.

        Args:
            ruled: From the error alone, without any hint.
            reported: Labels of the same error; those that no person gave are passed over.
        """
        for head in _HEADS:
            said: Label = getattr(ruled, head)
            truth: Label = getattr(reported, head)
            if said.source is LabelSource.RULE and truth.source is LabelSource.REPORTER:
                with self._lock:
                    num, right = self._tallies.get(_claim(head, said), (0.0, 0.0))
                    is_right = float(said.value == truth.value)
                    self._tallies[_claim(head, said)] = (num * _KEEP + 1, right * _KEEP + is_right)

    def weighed(self, labels: Labels) -> Labels:
        """The labels with the confidence that the rules have earned; others stay as they are."""
        return Labels(**{head: self._weighed(head, getattr(labels, head)) for head in _HEADS})

    def _weighed(self, head: str, label: Label) -> Label:
        if label.source is not LabelSource.RULE:
            return label
        num, right = self._tallies.get(_claim(head, label), (0.0, 0.0))
        earned = (label.confidence * CLAIM_WEIGHT + right) / (CLAIM_WEIGHT + num)
        return replace(label, confidence=earned)


def has_reported(labels: Labels) -> bool:
    """Whether a person gave one of the labels."""
    return any(getattr(labels, head).source is LabelSource.REPORTER for head in _HEADS)


def _claim(head: str, label: Label) -> _Claim:
    return head, label.value, round(label.confidence, 3)
