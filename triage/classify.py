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
from typing import Any, NamedTuple

import re2

from fixstream.schemas.enums import Category, Domain, LabelSource, Severity
from fixstream.schemas.records import ErrorEvent, Label, Labels
from fixstream.triage.gates import Gates
from fixstream.triage.trace import ParsedTrace

MAX_TEXT_CHARS = 4000
"""The rules look at this much of a message."""

MAX_EXCEPTIONS = 16
"""Of a long chain these, root cause first."""

_REPORTED_CONFIDENCE = 0.9
_FIELDS = ("category", "domain", "severity")
_VALUES: dict[str, type[Severity | Domain | Category]] = {
    "category": Category,
    "domain": Domain,
    "severity": Severity,
}
_IN_DOUBT = Labels(
    domain=Label(Domain.GENERAL.value, LabelSource.RULE, 0.2),
    severity=Label(Severity.MEDIUM.value, LabelSource.RULE, 0.2),
    category=Label(Category.UNKNOWN.value, LabelSource.RULE, 0.1),
)


CATEGORY_HINT = "category_hint"
"""Attribute of an event that holds the category as its reporter knows it."""


class _Said(NamedTuple):
    """What one rule says of one field; `weight` decides who wins, and is not cut."""

    field: str
    label: Label
    weight: float


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: it speaks for the fields that it names, with one confidence."""

    name: str
    labels: tuple[_Said, ...]


@dataclass(frozen=True, slots=True)
class RuleBook:
    """The compiled rules."""

    rules: tuple[Rule, ...]
    by_type: dict[str, tuple[int, ...]]
    searches: tuple[tuple[Gates, tuple[int, ...]], ...]
    """Sets of patterns, and for each pattern the rule that it belongs to."""
    hints: dict[str, dict[str, str]]
    """For each field, what reporters say and what it means here."""

    def matching(self, types: list[str], text: str) -> set[int]:
        """Returns the indexes of the rules that hold for these exception types and this text."""
        found: set[int] = set()
        for name in types:
            if name:
                found.update(self._of_type(name.lower()))
        encoded = text.encode("utf-8", "replace")
        for patterns, owners in self.searches:
            found.update(owners[index] for index in patterns.open(encoded))
        return found

    def _of_type(self, key: str) -> tuple[int, ...]:
        key = key.replace("::", ".").replace("\\", ".")
        known, short = self.by_type.get(key, ()), key.rpartition(".")[2]
        return known + self.by_type.get(short, ()) if short != key else known


_KNOWN_KEYS = frozenset(
    {
        *("name", "confidence", "types", "phrases", "patterns"),
        *("http", "grpc", "codes", "sqlstates", *_FIELDS),
    }
)


def _labels(entry: dict[str, object], at_most: dict[str, float]) -> tuple[_Said, ...]:
    name, confidence = entry.get("name"), entry.get("confidence")
    if not isinstance(confidence, float) or not 0 < confidence <= 1:
        raise ValueError(f"rule {name!r}: confidence has to be over 0 and at most 1")
    if unknown := set(entry) - _KNOWN_KEYS:
        raise ValueError(f"rule {name!r}: unknown key {min(unknown)!r}")
    said = []
    for field in _FIELDS:
        if field in entry:
            sure = min(confidence, at_most.get(field, 1.0))
            try:
                value = _VALUES[field](str(entry[field])).value
            except ValueError as error:
                raise ValueError(f"rule {name!r}: {error}") from error
            said.append(_Said(field, Label(value, LabelSource.RULE, sure), confidence))
    return tuple(said)


_EDGE = r"\b"


def _phrase_patterns(phrases: list[str]) -> list[str]:
    """Reads phrases: their words in this order, whole, whatever the white space and case.

    All that begin and end alike become one expression: a search set costs by its expressions.
    """
    alike: dict[tuple[bool, bool], list[str]] = {}
    for phrase in phrases:
        words = r"\s+".join(re2.escape(word) for word in phrase.split())
        alike.setdefault((phrase[0].isalnum(), phrase[-1].isalnum()), []).append(words)
    return [
        (_EDGE if left else "") + f"(?:{'|'.join(words)})" + (_EDGE if right else "")
        for (left, right), words in alike.items()
    ]


# How the keys of a rule are found in a text.

_HTTP = (
    r"\b(?:http(?:/[\d.]+)?|status(?:[ _-]?code)?|(?:response |error )?code)"
    r"""["']?[ :=/]{0,4}["']?(?:%s)\b"""
)
_GRPC = (
    r"\b(?:statuscode\.|statusruntimeexception: |status[ =:{]{1,3}(?:code[ =:]{1,3})?"
    r"""|code[ =:]{1,3})["']?(?:%s)\b"""
)
_CODES = r"\b(?-i:%s)\b"
_SQLSTATES = r"\bsql ?state[\[ :=(']{1,4}(?:%s)\b"


def _entry_patterns(entry: dict[str, Any]) -> list[str]:
    """Returns the expressions that the keys of a rule stand for, its phrases apart."""
    patterns = list(entry.get("patterns", ()))
    if statuses := entry.get("http"):
        patterns.append(_HTTP % "|".join(str(int(status)) for status in statuses))
    if names := entry.get("grpc"):
        forms = [form for name in names for form in (name, name.replace("_", ""))]
        patterns.append(_GRPC % "|".join(dict.fromkeys(forms)))
    if codes := entry.get("codes"):
        patterns.append(_CODES % "|".join(map(re2.escape, codes)))
    if states := entry.get("sqlstates"):
        whole = (state if len(state) == 5 else rf"{state}\w{{3}}" for state in states)
        patterns.append(_SQLSTATES % "|".join(whole))
    return patterns


def load_rules(text: str) -> RuleBook:
    """Compiles the rules in `text`, the content of a rules file.

    Raises:
        ValueError: A label is not one of the known values.
    """
    data = tomllib.loads(text)
    at_most = data.get("at_most", {})
    # Two searches: in one set for all, the states multiply with what a text opens, and building
    # them is what takes time in texts never seen before.
    phrases: list[tuple[str, int]] = []
    patterns: list[tuple[str, int]] = []
    rules: list[Rule] = []
    by_type: dict[str, list[int]] = {}
    for index, entry in enumerate(data["rule"]):
        rules.append(Rule(entry["name"], _labels(entry, at_most)))
        for name in entry.get("types", ()):
            by_type.setdefault(name.lower(), []).append(index)
        phrases += ((found, index) for found in _phrase_patterns(entry.get("phrases", [])))
        patterns += ((found, index) for found in _entry_patterns(entry))
    return RuleBook(
        rules=tuple(rules),
        by_type={name: tuple(indexes) for name, indexes in by_type.items()},
        searches=tuple(map(_search, (phrases, patterns))),
        hints={field: _hints(data.get(f"{field}_hints", {}), _VALUES[field]) for field in _FIELDS},
    )


def _search(owned: list[tuple[str, int]]) -> tuple[Gates, tuple[int, ...]]:
    patterns = Gates((pattern for pattern, _ in owned), case_sensitive=False)
    return patterns, tuple(owner for _, owner in owned)


def _hints(
    table: dict[str, list[str]], values: type[Severity | Domain | Category]
) -> dict[str, str]:
    hints = {hint: values(value).value for value, hints in table.items() for hint in hints}
    return {**{value.value: value.value for value in values}, **hints}


@cache
def shipped_rules() -> RuleBook:
    """Returns the rules that come with this part, compiled once a process."""
    return load_rules(resources.files(__package__).joinpath("rules.toml").read_text("utf-8"))


def _hinted(book: RuleBook, field: str, hint: str | None) -> Label | None:
    value = book.hints[field].get(hint.strip().lower()) if hint else None
    return Label(value, LabelSource.REPORTER, _REPORTED_CONFIDENCE) if value else None


def category_hint(event: ErrorEvent) -> str | None:
    """Returns what the reporter says of the category, if anything."""
    return event.attributes.get(CATEGORY_HINT) if event.attributes else None


def _texts(event: ErrorEvent, trace: ParsedTrace | None) -> tuple[list[str], str]:
    """Returns the types of an error and the text that speaks of it, nothing twice."""
    error_type, message = event.error_type or "", event.message[:MAX_TEXT_CHARS]
    text = f"{error_type}\n{message}" if error_type else message
    if trace is None:
        return [error_type], text
    types = [error_type]
    for exception in trace.exceptions[:MAX_EXCEPTIONS]:
        kind, said = exception.type or "", exception.message[:MAX_TEXT_CHARS]
        types.append(kind)
        if kind not in text or said not in text:
            text = f"{text}\n{kind}\n{said}"
    return types, text


def classify(event: ErrorEvent, trace: ParsedTrace | None, book: RuleBook | None = None) -> Labels:
    """Returns the labels of a scrubbed event.

    What the reporter says wins over any rule; of the rules the surest, among equals the earlier.
    """
    book = book or shipped_rules()
    matching = book.matching(*_texts(event, trace))
    category = category_hint(event)
    if not matching and not (event.severity_hint or event.domain_hint or category):
        return _IN_DOUBT
    best: dict[str, _Said] = {}
    for index in sorted(matching):
        for said in book.rules[index].labels:
            if said.field not in best or said.weight > best[said.field].weight:
                best[said.field] = said
    said_by_rules = {field: said.label for field, said in best.items()}
    return Labels(
        domain=_hinted(book, "domain", event.domain_hint)
        or said_by_rules.get("domain", _IN_DOUBT.domain),
        severity=_hinted(book, "severity", event.severity_hint)
        or said_by_rules.get("severity", _IN_DOUBT.severity),
        category=_hinted(book, "category", category)
        or said_by_rules.get("category", _IN_DOUBT.category),
    )
