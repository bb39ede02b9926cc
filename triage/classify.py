"""Labels an error's category, domain and severity by the rules in `rules.toml`.

The rules are data, for people to review; here they are only compiled and applied. A reporter's
own hint wins over a rule. In doubt the answer is `unknown`, `general` and `medium`, with low
confidence.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

import re2

from fixstream.schemas.enums import Category, Domain, LabelSource, Severity
from fixstream.schemas.records import ErrorEvent, Label, Labels
from fixstream.triage.gates import Gates
from fixstream.triage.trace import ParsedTrace

MAX_TEXT_CHARS = 4000
"""The rules look at this much of a message."""

_FIELDS = ("category", "domain", "severity")
_VALUES = {"category": Category, "domain": Domain, "severity": Severity}
_IN_DOUBT = Labels(
    domain=Label(Domain.GENERAL.value, LabelSource.RULE, 0.2),
    severity=Label(Severity.MEDIUM.value, LabelSource.RULE, 0.2),
    category=Label(Category.UNKNOWN.value, LabelSource.RULE, 0.1),
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: it speaks for the fields that it names, with one confidence."""

    name: str
    labels: tuple[tuple[str, Label], ...]


@dataclass(frozen=True, slots=True)
class RuleBook:
    """The compiled rules."""

    rules: tuple[Rule, ...]
    by_type: dict[str, tuple[int, ...]]
    patterns: Gates
    pattern_rules: tuple[int, ...]
    """For each pattern of the set, the rule that it belongs to."""
    severity_hints: dict[str, str]
    domain_hints: dict[str, str]

    def matching(self, types: list[str], text: str) -> set[int]:
        """Returns the indexes of the rules that hold for these exception types and this text."""
        found: set[int] = set()
        for name in types:
            key = name.lower()
            short = key.replace("::", ".").replace("\\", ".").rsplit(".", 1)[-1]
            found.update(self.by_type.get(key, ()))
            found.update(self.by_type.get(short, ()))
        encoded = text.encode("utf-8", "replace")
        found.update(self.pattern_rules[index] for index in self.patterns.open(encoded))
        return found


_KNOWN_KEYS = frozenset({"name", "types", "phrases", "patterns", "confidence", *_FIELDS})


def _labels(entry: dict[str, object]) -> tuple[tuple[str, Label], ...]:
    name, confidence = entry.get("name"), entry.get("confidence")
    if not isinstance(confidence, float) or not 0 < confidence <= 1:
        raise ValueError(f"rule {name!r}: confidence has to be over 0 and at most 1")
    if unknown := set(entry) - _KNOWN_KEYS:
        raise ValueError(f"rule {name!r}: unknown key {min(unknown)!r}")
    try:
        return tuple(
            (field, Label(_VALUES[field](str(entry[field])).value, LabelSource.RULE, confidence))
            for field in _FIELDS
            if field in entry
        )
    except ValueError as error:
        raise ValueError(f"rule {name!r}: {error}") from error


def _phrase_pattern(phrase: str) -> str:
    """Reads a phrase: its words in this order, whole, whatever the white space and case."""
    words = r"\s+".join(re2.escape(word) for word in phrase.split())
    left = r"\b" if phrase[0].isalnum() else ""
    right = r"\b" if phrase[-1].isalnum() else ""
    return f"{left}{words}{right}"


def load_rules(text: str) -> RuleBook:
    """Compiles the rules in `text`, the content of a rules file.

    Raises:
        ValueError: A label is not one of the known values.
    """
    data = tomllib.loads(text)
    patterns: list[str] = []
    rules: list[Rule] = []
    by_type: dict[str, list[int]] = {}
    owners: list[int] = []
    for index, entry in enumerate(data["rule"]):
        rules.append(Rule(entry["name"], _labels(entry)))
        for name in entry.get("types", ()):
            by_type.setdefault(name.lower(), []).append(index)
        for pattern in (
            *map(_phrase_pattern, entry.get("phrases", ())),
            *entry.get("patterns", ()),
        ):
            patterns.append(pattern)
            owners.append(index)
    return RuleBook(
        rules=tuple(rules),
        by_type={name: tuple(indexes) for name, indexes in by_type.items()},
        patterns=Gates(patterns, case_sensitive=False),
        pattern_rules=tuple(owners),
        severity_hints=_hints(data["severity_hints"], Severity),
        domain_hints=_hints(data["domain_hints"], Domain),
    )


def _hints(table: dict[str, list[str]], values: type[Severity | Domain]) -> dict[str, str]:
    return {hint: values(value).value for value, hints in table.items() for hint in hints}


@cache
def shipped_rules() -> RuleBook:
    """Returns the rules that come with this part, compiled once a process."""
    return load_rules(resources.files(__package__).joinpath("rules.toml").read_text("utf-8"))


def _hinted(hint: str | None, table: dict[str, str]) -> Label | None:
    value = table.get(hint.strip().lower()) if hint else None
    return Label(value, LabelSource.REPORTER, 0.9) if value else None


def classify(event: ErrorEvent, trace: ParsedTrace | None, book: RuleBook | None = None) -> Labels:
    """Returns the labels of a scrubbed event; the surest rule wins, among equals the earlier."""
    book = book or shipped_rules()
    types = [event.error_type] if event.error_type else []
    texts = [event.error_type or "", event.message[:MAX_TEXT_CHARS]]
    for exception in trace.exceptions if trace is not None else ():
        types.append(exception.type or "")
        texts.append(exception.message[:MAX_TEXT_CHARS])
    matching = book.matching(types, "\n".join(texts))
    if not matching and event.severity_hint is None and event.domain_hint is None:
        return _IN_DOUBT
    best: dict[str, Label] = {}
    for index in sorted(matching):
        for field, label in book.rules[index].labels:
            if field not in best or label.confidence > best[field].confidence:
                best[field] = label
    return Labels(
        domain=_hinted(event.domain_hint, book.domain_hints)
        or best.get("domain", _IN_DOUBT.domain),
        severity=_hinted(event.severity_hint, book.severity_hints)
        or best.get("severity", _IN_DOUBT.severity),
        category=best.get("category", _IN_DOUBT.category),
    )
