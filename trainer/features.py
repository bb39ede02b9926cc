"""Turns the text of an error into token ids: `[start] [type] … [title] … [body] … [trace] …`.

The vocabulary is hashed: a text is cut into words, words into sub-words (at dots, slashes, case
changes and digits), and each sub-word is hashed into one of the ids that are left beside the
special ones. Nothing has to be fitted, so the first error after the start already has all its
words, and two deployments share their ids. Beside the ids stands what else is known of an error
before anybody has judged it: its service, what the rules claim, what its words mean. This module
knows nothing of labels as targets, of networks or of tensors.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache
from typing import Protocol

from fixstream.schemas.enums import Domain, Severity
from fixstream.schemas.errors import ArtifactRejected
from fixstream.schemas.records import ErrorEvent, TrainingExample
from fixstream.trainer.claims import NO_CLAIMS, NO_SIGN, Claims, claims_of, service_sign
from fixstream.trainer.meanings import NO_MEANINGS, meanings_of_word

TOKENIZER_KIND = "hashed-subword-2"
"""Changes whenever the same text would get other ids; a checkpoint names the one it learnt with."""

MASKED_HINT = 0
"""The hint id that says nothing: no hint was given, or the hint is what has to be predicted."""


class Special(IntEnum):
    """Ids with a meaning of their own; hashed sub-words start at `FIRST_SUBWORD`."""

    PAD = 0
    START = 1
    TYPE = 2
    MESSAGE = 3
    TRACE = 4
    CUT = 5
    NUMBER = 6
    HEX = 7
    MASK = 8
    BODY = 9
    """What follows the first line of the message."""


FIRST_SUBWORD = 16

_DOMAIN_IDS = {domain.value: index for index, domain in enumerate(Domain, start=1)}
_SEVERITY_IDS = {severity.value: index for index, severity in enumerate(Severity, start=1)}


@dataclass(frozen=True, slots=True)
class ErrorText:
    """What the model reads of an error. Hints are what the caller already knows."""

    message: str
    error_type: str | None = None
    stack_trace: str | None = None
    domain_hint: str | None = None
    severity_hint: str | None = None
    service: str | None = None

    @classmethod
    def from_event(cls, event: ErrorEvent) -> ErrorText:
        """The text of a (scrubbed) event, with its hints."""
        return cls(
            event.message,
            event.error_type,
            event.stack_trace,
            event.domain_hint,
            event.severity_hint,
            event.service,
        )

    @classmethod
    def from_example(cls, example: TrainingExample) -> ErrorText:
        """The text of a training example, without hints: its labels are what is learnt."""
        return cls(
            example.message, example.error_type, example.stack_trace, service=example.service
        )


@dataclass(frozen=True, slots=True)
class Encoded:
    """One text as ids: `token_ids` is never empty and at most as long as the tokenizer allows."""

    token_ids: tuple[int, ...]
    domain_id: int = MASKED_HINT
    severity_id: int = MASKED_HINT
    service_id: int = NO_SIGN
    """Hash of the service's name."""
    claims: Claims = NO_CLAIMS
    """What the rules say of the text, without any hint."""
    meanings: tuple[int, int] = (NO_MEANINGS, NO_MEANINGS)
    """What the title speaks of, and what title, body and error type do, as `meanings` tells it."""
    sentence: bytes = b""
    """Its embedding by a frozen sentence encoder, as `sentences` packs it; empty without one."""


class Reader(Protocol):
    """Anything that turns a text into what the paths of a model read."""

    def encode(self, text: ErrorText) -> Encoded:
        """One text."""
        ...


class Tokenizer(Reader, Protocol):
    """Anything that turns texts into ids below `vocab_size`, and can be written down as JSON."""

    @property
    def vocab_size(self) -> int:
        """Number of ids, special ones included."""
        ...

    @property
    def max_tokens(self) -> int:
        """Longest sequence that `encode` returns."""
        ...

    def word_ids(self, word: str) -> tuple[int, ...]:
        """The ids of one word, as `encode` gives them inside of a text; none for mere marks."""
        ...

    def to_json(self) -> str:
        """Everything needed to rebuild this tokenizer."""
        ...


@dataclass(frozen=True, slots=True)
class TokenizerConfig:
    """Size and budgets of the hashed tokenizer; all in tokens, unless the name says otherwise."""

    vocab_size: int = 50_000
    max_tokens: int = 512
    max_type_tokens: int = 24
    message_share: float = 0.5
    """Part of the budget that the message may use when there is a trace too."""
    max_field_chars: int = 24_000
    """Of a longer field, the first and the last half of this are read."""

    def __post_init__(self) -> None:
        if self.vocab_size <= FIRST_SUBWORD * 2:
            raise ValueError(f"vocab_size must be above {FIRST_SUBWORD * 2}: {self.vocab_size}")
        if self.max_tokens < 16:
            raise ValueError(f"max_tokens must be at least 16: {self.max_tokens}")


_WORD = re.compile(r"[^\s\"'`,;:(){}\[\]<>=|]+")
_PIECE = re.compile(r"0[xX][0-9a-fA-F]+|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_A-Za-z]{1,3}")
_HEX = re.compile(r"(?:0[xX][0-9a-fA-F]+|(?=[a-fA-F]*[0-9])[0-9a-fA-F]{8,})\Z")
_LONGEST_WHOLE = 9
_STEM_CHARS = 6
_LONGEST_NUMBER = 4
_LONGEST_CACHED_WORD = 80
_LONGEST_SPLIT_WORD = 1024
_CACHED_WORDS = 32_768


def _split_word(word: str, vocab_size: int) -> tuple[int, ...]:
    if _HEX.match(word):
        return (Special.HEX,)
    ids: list[int] = []
    for piece in _PIECE.findall(word):
        ids.extend(_piece_ids(piece, vocab_size))
    return tuple(ids)


def _piece_ids(piece: str, vocab_size: int) -> Iterable[int]:
    if piece[0].isdigit():
        if _HEX.match(piece):
            return (Special.HEX,)
        # Short numbers carry meaning (404, errno 111); long ones are ids, sizes and times.
        return (_hashed(piece, vocab_size) if len(piece) <= _LONGEST_NUMBER else Special.NUMBER,)
    lower = piece.lower()
    if len(lower) <= _LONGEST_WHOLE:
        return (_hashed(lower, vocab_size),)
    # A stem that "authenticate" and "authentication" share, and an ending told apart from a word.
    stem, ending = lower[:_STEM_CHARS], lower[_STEM_CHARS : _STEM_CHARS + 24]
    return (_hashed(stem + "+", vocab_size), _hashed("+" + ending, vocab_size))


def _hashed(piece: str, vocab_size: int) -> int:
    # CRC-32 is the same on every machine and Python; `hash` of a str is salted by process.
    return FIRST_SUBWORD + zlib.crc32(piece.encode("utf-8", "replace")) % (
        vocab_size - FIRST_SUBWORD
    )


class HashedTokenizer:
    """The vocabulary of hashed sub-words. Safe to share between threads."""

    def __init__(self, config: TokenizerConfig | None = None) -> None:
        self.config = config or TokenizerConfig()
        size = self.config.vocab_size

        @lru_cache(maxsize=_CACHED_WORDS)
        def cached(word: str) -> tuple[int, ...]:
            return _split_word(word, size)

        self._cached_word: Callable[[str], tuple[int, ...]] = cached

    @property
    def vocab_size(self) -> int:
        """Number of ids, special ones included."""
        return self.config.vocab_size

    @property
    def max_tokens(self) -> int:
        """Longest sequence that `encode` returns."""
        return self.config.max_tokens

    def word_ids(self, word: str) -> tuple[int, ...]:
        """The ids of one word, as `encode` gives them inside of a text; none for mere marks."""
        return _split_word(word[:_LONGEST_SPLIT_WORD], self.config.vocab_size)

    def encode(self, text: ErrorText) -> Encoded:
        """The ids of one text: at most `max_tokens`; of long fields the head and the tail stay."""
        budget = self.config.max_tokens - 1
        type_ids = _cut(self._field_ids(Special.TYPE, text.error_type), self.config.max_type_tokens)
        message_ids = self._message_ids(text.message)
        trace_ids = self._field_ids(Special.TRACE, text.stack_trace)
        budget -= len(type_ids)
        if len(message_ids) + len(trace_ids) > budget:
            for_message = max(int(budget * self.config.message_share), budget - len(trace_ids))
            message_ids = _cut(message_ids, for_message)
            trace_ids = _cut(trace_ids, budget - len(message_ids))
        return Encoded(
            (int(Special.START), *type_ids, *message_ids, *trace_ids),
            _DOMAIN_IDS.get(text.domain_hint or "", MASKED_HINT),
            _SEVERITY_IDS.get(text.severity_hint or "", MASKED_HINT),
            service_sign(text.service),
            claims_of(text.message, text.error_type, text.stack_trace),
            self._meanings(text),
        )

    def to_json(self) -> str:
        """Everything needed to rebuild this tokenizer, as JSON."""
        config = self.config
        return json.dumps(
            {
                "kind": TOKENIZER_KIND,
                "vocab_size": config.vocab_size,
                "max_tokens": config.max_tokens,
                "max_type_tokens": config.max_type_tokens,
                "message_share": config.message_share,
                "max_field_chars": config.max_field_chars,
            },
            sort_keys=True,
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> HashedTokenizer:
        """Rebuilds a tokenizer.

        Raises:
            ArtifactRejected: the text is no description of a tokenizer that this version knows.
        """
        try:
            fields = json.loads(text)
            kind = fields.pop("kind")
            config = TokenizerConfig(**fields)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise ArtifactRejected(f"tokenizer.json cannot be read: {error}") from error
        if kind != TOKENIZER_KIND:
            raise ArtifactRejected(f"tokenizer.json is of the unknown kind {kind!r}")
        return cls(config)

    def _message_ids(self, message: str) -> list[int]:
        """The first line says most, and is told apart from the others."""
        title, _, body = message.strip().partition("\n")
        return self._field_ids(Special.MESSAGE, title) + self._field_ids(Special.BODY, body)

    def _field_ids(self, marker: Special, field: str | None) -> list[int]:
        if not field:
            return []
        ids = [int(marker)]
        cached = self._cached_word
        size = self.config.vocab_size
        for word in self._words(field):
            # Words that long do not come again: caching them would only push out good ones.
            ids += (
                cached(word)
                if len(word) <= _LONGEST_CACHED_WORD
                else _split_word(word[:_LONGEST_SPLIT_WORD], size)
            )
        return ids

    def _words(self, field: str) -> list[str]:
        limit = self.config.max_field_chars
        if len(field) > limit:
            field = f"{field[: limit // 2]} {field[-(limit // 2) :]}"
        return _WORD.findall(field)

    def _meanings(self, text: ErrorText) -> tuple[int, int]:
        title, _, body = text.message.strip().partition("\n")
        of_title = _meanings_of(self._words(title))
        others = self._words(body) + self._words(text.error_type or "")
        return of_title, of_title | _meanings_of(others)


def _meanings_of(words: Iterable[str]) -> int:
    found = NO_MEANINGS
    for word in words:
        if len(word) <= _LONGEST_CACHED_WORD:
            found |= _cached_meanings(word)
    return found


_cached_meanings = lru_cache(maxsize=_CACHED_WORDS)(meanings_of_word)


def _cut(ids: list[int], limit: int) -> list[int]:
    """Keeps head and tail, with a mark between them, so that at most `limit` ids stay."""
    if len(ids) <= limit:
        return ids
    if limit < 4:
        return ids[: max(limit, 0)]
    tail = (limit - 1) // 2
    return [*ids[: limit - 1 - tail], int(Special.CUT), *ids[-tail:]]


def length_buckets(
    sequences: Sequence[Encoded], max_tokens_per_bucket: int
) -> list[tuple[int, ...]]:
    """Indices of `sequences` in groups of similar length.

    Args:
        sequences: the encoded texts.
        max_tokens_per_bucket: bound on longest x count of one group; a longer text stands alone.

    Returns:
        Groups of indices, shortest texts first; every index occurs once.
    """
    order = sorted(range(len(sequences)), key=lambda index: len(sequences[index].token_ids))
    groups: list[tuple[int, ...]] = []
    group: list[int] = []
    for index in order:
        # Ascending order: the newcomer is the longest of its group.
        if group and len(sequences[index].token_ids) * (len(group) + 1) > max_tokens_per_bucket:
            groups.append(tuple(group))
            group = []
        group.append(index)
    if group:
        groups.append(tuple(group))
    return groups


def cropped(encoded: Encoded, max_tokens: int) -> Encoded:
    """The head and the tail of a sequence that is longer than `max_tokens`."""
    ids = encoded.token_ids
    if len(ids) <= max_tokens:
        return encoded
    tail = (max_tokens - 1) // 3
    kept = (*ids[: max_tokens - 1 - tail], int(Special.CUT), *ids[len(ids) - tail :])
    return replace(encoded, token_ids=kept)
