"""Orders candidate fixes, and says how sure it is of each.

Order and certainty are two questions. The order is a sum of what speaks for a fix against the
others: above all how well its words match (BM25), then what they explain, a fix that worked for
this very group, the error type, category and domain, votes, acceptance and feedback. The score is
how likely the fix is right at all: a logistic of how much of the error and of the fix's own title
agree, how far it stands before the next one, and what people said. The learned similarity counts
only as far as it has earned it: with weight 0 it changes nothing. Pure functions; no index, no
clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fixstream.inference.analysis import is_specific
from fixstream.inference.evidence import Tally
from fixstream.schemas.enums import Category, LabelSource
from fixstream.schemas.records import Labels, Solution

MAX_NAMED_WORDS = 6
MIN_TIES = 2
"""A fix is shown only if so many words tie it to the error, or one and a rule that agrees."""
MIN_SIMILARITY = 0.5
"""From this cosine on, the learned similarity may stand for words that do not match."""
MAX_FIXES_OF_A_TELLING_TYPE = 2
"""`OSError` is for many fixes and chooses none of them; `NoCredentialsError` does."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One fix that the index found, with how it matched."""

    solution: Solution
    types: frozenset[str]
    """Short names of the exception types that it is for."""
    relative_bm25: float
    """Its BM25 score over the best candidate's, 0 to 1; 0 if only the embedding found it."""
    explained: float
    """Share of the error's headline, by rarity of its words, that the fix talks about."""
    titled: float
    """As `explained`, counting only words of the fix's title and error types."""
    answered: float
    """Share of the fix's own title, by rarity of its words, that stands in the error."""
    shared_words: tuple[str, ...]
    """Words in both, the rarest first."""
    agrees_on_code: bool | None = None
    """Whether both name the same error number (errno, HTTP status, database); None: not both do."""
    similarity: float | None = None
    """Cosine of the learned embeddings; None where there is none."""
    sentence_similarity: float | None = None
    """Cosine by the frozen sentence encoder; None where there is none."""
    num_told: int = 0
    """How many telling words of the error's message the fix has, filler and numbers left out."""
    num_of_type: int = 0
    """How many fixes are for the exception type that both share, the rarest; 0: they share none."""
    reached: float = 0.0
    """Its BM25 over what the error's own words would have with themselves."""


@dataclass(frozen=True, slots=True)
class Question:
    """What ranking knows about the error."""

    fingerprint: str
    error_types: frozenset[str]
    labels: Labels
    group_tallies: Mapping[str, Tally]
    """What feedback said about fixes for this very group."""
    num_told: int = 0
    """How many telling words its message has."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate with its score, 0 to 1, and what it matched on."""

    candidate: Candidate
    score: float
    matched_on: tuple[str, ...]
    is_grounded: bool = True
    """Whether enough matched for the score to mean anything; one common word is not enough."""


@dataclass(frozen=True, slots=True)
class RankingWeights:
    """How much each sign counts in the order; what is no comparison counts in the score alike.

    Set on reports of which the duplicate is known and on starter questions, and rounded. On two
    projects that were only measured the sum orders as well as BM25 alone, not better: they have no
    votes, labels or feedback (docs/suggestions.md).
    """

    bm25: float = 20.0
    explained: float = 2.8
    titled: float = 0.5
    answered: float = 2.0
    group: float = 5.0
    error_type: float = 1.0
    other_type: float = -1.0
    same_code: float = 0.8
    other_code: float = -1.6
    category: float = 0.5
    domain: float = 0.3
    votes: float = 0.1
    accepted: float = 0.2
    feedback: float = 0.8
    learned: float = 0.0
    """What the learned similarity has earned; an untrained model has earned nothing."""
    sentences: float = 20.0
    """The sentence encoder is frozen, and measured: it need not earn this (docs/suggestions.md)."""


@dataclass(frozen=True, slots=True)
class CertaintyWeights:
    """What makes a fix likely to be right, in log-odds; fitted as docs/suggestions.md tells."""

    bias: float = -5.25
    lead: float = 2.8
    """How far it stands before the next one in the order, in units of a whole BM25."""
    apart: float = 0.9
    """How far its words stand above those of the others near the top: a right fix stands alone."""
    reached: float = 0.7
    """For the logarithm of how much it matches of what could match at all."""
    explained: float = 0.5
    titled: float = 0.3
    answered: float = 1.8
    told: float = 1.4
    """For the logarithm of how many telling words both share."""
    named: float = 1.6
    """For a message that names the fix's error and says nothing else."""


CERTAINTY = CertaintyWeights()
MAX_TOLD = 8
MIN_REACHED = 0.02
"""Less is as little: what shares no word is found by meaning, and no logarithm is without end."""
FULLY_TITLED = 0.95
SURE_OF_ONE_WORD = 0.7
"""From here on a message of one word is answered: it is the name of one known error alone."""
ALONE_SHARE = 0.4
"""A fix without a rival leads as one would whose rival matches so much as well."""
NUM_NEAR_TOP = 10
"""So many fixes at the top are what one of them stands apart from."""


def rank(
    candidates: Sequence[Candidate],
    question: Question,
    tallies: Mapping[str, Tally],
    weights: RankingWeights,
) -> list[Ranked]:
    """The candidates, best first: those that worked for this very group, then by what matches.

    No fix scores more than one before it. Ties stand in the order of their ids.

    Args:
        candidates: What the index found, in any order.
        question: The error.
        tallies: Feedback on each candidate over all groups, by solution id.
        weights: How much each sign counts.
    """
    usual = _usual_similarity(candidates)
    judged = [_judge(one, question, tallies, weights, usual) for one in candidates]

    def place(one: _Judged) -> tuple[bool, float, str]:
        solution_id = one.candidate.solution.solution_id
        tally = question.group_tallies.get(solution_id)
        has_worked = tally is not None and tally.success_rate > 0.5
        return not has_worked, -one.order, solution_id

    judged.sort(key=place)
    ranked: list[Ranked] = []
    limit = 1.0
    for one in judged:
        limit = min(limit, _certainty(one, judged, question, weights))
        is_grounded = _is_grounded(one.candidate, question, weights) or (
            limit >= SURE_OF_ONE_WORD and is_named(one.candidate, question)
        )
        ranked.append(Ranked(one.candidate, limit, one.matched_on, is_grounded))
    return ranked


@dataclass(frozen=True, slots=True)
class _Judged:
    candidate: Candidate
    order: float
    said: float
    """What speaks for it in itself, beside its words, in log-odds."""
    matched_on: tuple[str, ...]


def _usual_similarity(candidates: Sequence[Candidate]) -> float:
    """Of those that the sentence encoder has read: one that it has not yet counts as much."""
    known = [one.sentence_similarity for one in candidates if one.sentence_similarity is not None]
    return sum(known) / len(known) if known else 0.0


def _judge(
    candidate: Candidate,
    question: Question,
    tallies: Mapping[str, Tally],
    weights: RankingWeights,
    usual: float,
) -> _Judged:
    solution = candidate.solution
    absolute = [
        _group(solution, question, weights),
        _error_type(candidate, question, weights),
        _code(candidate, weights),
        _category(solution, question, weights),
        _domain(solution, question, weights),
        _reputation(solution, tallies.get(solution.solution_id), weights),
    ]
    compared = [
        _words(candidate, weights),
        _learned(candidate, weights),
        _sentences(candidate, weights, usual),
    ]
    signs = [compared[0], *absolute, *compared[1:]]
    said = sum(value for value, _ in absolute)
    names = tuple(name for _, name in signs if name)
    return _Judged(candidate, said + sum(value for value, _ in compared), said, names)


def _certainty(
    one: _Judged, ranked: Sequence[_Judged], question: Question, weights: RankingWeights
) -> float:
    candidate, measure = one.candidate, CERTAINTY
    rivals = [other.order for other in ranked[:2] if other is not one]
    rival = max(rivals, default=one.order + weights.bm25 * math.log(ALONE_SHARE))
    lead = max(-1.0, min(1.0, (one.order - rival) / weights.bm25))
    log_odds = (
        measure.bias
        + measure.lead * lead
        + measure.apart * _apartness(one, ranked[:NUM_NEAR_TOP])
        + measure.reached * math.log(max(MIN_REACHED, candidate.reached))
        + measure.explained * candidate.explained
        + measure.titled * candidate.titled
        + measure.answered * candidate.answered
        + measure.told * math.log1p(min(candidate.num_told, MAX_TOLD))
        + measure.named * is_named(candidate, question)
        + one.said
    )
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, log_odds))))


def _apartness(one: _Judged, top: Sequence[_Judged]) -> float:
    others = [other.candidate.relative_bm25 for other in top if other is not one]
    usual = sum(others) / len(others) if others else ALONE_SHARE
    return one.candidate.relative_bm25 - usual


def is_named(candidate: Candidate, question: Question) -> bool:
    """Whether all that a message tells stands in the fix's title, or it tells but its number."""
    if question.num_told == 0:
        return bool(candidate.agrees_on_code)
    return candidate.num_told == question.num_told and candidate.titled >= FULLY_TITLED


def _is_grounded(candidate: Candidate, question: Question, weights: RankingWeights) -> bool:
    """Whether two things tie the fix to the error, or one that says it all.

    Shares of a message say nothing where the message hardly does: of "timeout", any fix with that
    word explains all.
    """
    solution, label = candidate.solution, question.labels.category
    is_ruled = label.source is LabelSource.RULE and label.value == solution.category
    num_ties = candidate.num_told + MIN_TIES * bool(candidate.agrees_on_code)
    if num_ties and is_ruled and label.value != Category.UNKNOWN:
        num_ties += 1
    return (
        num_ties >= MIN_TIES
        or _is_type_enough(candidate, question)
        or solution.fingerprint == question.fingerprint
        or solution.solution_id in question.group_tallies
        or (
            weights.learned > 0
            and question.num_told >= MIN_TIES
            and (candidate.similarity or 0.0) >= MIN_SIMILARITY
        )
    )


def _is_type_enough(candidate: Candidate, question: Question) -> bool:
    """Whether the shared exception type ties the two: alone only if it is for few fixes."""
    if not any(map(is_specific, candidate.types & question.error_types)):
        return False
    is_rare = 0 < candidate.num_of_type <= MAX_FIXES_OF_A_TELLING_TYPE
    return is_rare or candidate.num_told > 0 or candidate.answered >= 0.5


Sign = tuple[float, str]
"""Log-odds that a sign adds, and its name for `matched_on` (empty: not worth naming)."""


def _words(candidate: Candidate, weights: RankingWeights) -> Sign:
    value = (
        weights.bm25 * candidate.relative_bm25
        + weights.explained * candidate.explained
        + weights.titled * candidate.titled
        + weights.answered * candidate.answered
    )
    named = ", ".join(candidate.shared_words[:MAX_NAMED_WORDS])
    return value, f"words: {named}" if named else ""


def _group(solution: Solution, question: Question, weights: RankingWeights) -> Sign:
    tally = question.group_tallies.get(solution.solution_id)
    if tally is not None and tally.success_rate > 0.5:
        return weights.group, "worked for this group"
    if tally is not None:
        # What failed here goes down with each voice: three of them outweigh any likeness.
        return 1.5 * weights.group * (2 * tally.success_rate - 1), ""
    if solution.fingerprint == question.fingerprint:
        return weights.group, "group"
    return 0.0, ""


def _error_type(candidate: Candidate, question: Question, weights: RankingWeights) -> Sign:
    shared = candidate.types & question.error_types
    if shared:
        name = max(sorted(shared), key=is_specific)
        return weights.error_type * (1.0 if is_specific(name) else 0.4), f"error type: {name}"
    if candidate.types and question.error_types:
        return weights.other_type, ""
    return 0.0, ""


def _code(candidate: Candidate, weights: RankingWeights) -> Sign:
    if candidate.agrees_on_code is None:
        return 0.0, ""
    if candidate.agrees_on_code:
        return weights.same_code, "error number"
    return weights.other_code, ""


def _category(solution: Solution, question: Question, weights: RankingWeights) -> Sign:
    label = question.labels.category
    if solution.category == label.value and label.value != Category.UNKNOWN:
        return weights.category * label.confidence, f"category: {label.value}"
    return 0.0, ""


def _domain(solution: Solution, question: Question, weights: RankingWeights) -> Sign:
    label = question.labels.domain
    if solution.domain == label.value:
        return weights.domain * label.confidence, f"domain: {label.value}"
    return 0.0, ""


def _reputation(solution: Solution, tally: Tally | None, weights: RankingWeights) -> Sign:
    votes = solution.votes or 0
    value = weights.votes * math.copysign(math.log1p(min(abs(votes), 100)), votes)
    value += weights.accepted * solution.is_accepted
    if tally is None or not (tally.num_worked or tally.num_failed):
        return value, ""
    value += weights.feedback * (2 * tally.success_rate - 1)
    return value, "feedback" if tally.success_rate > 0.5 else ""


def _learned(candidate: Candidate, weights: RankingWeights) -> Sign:
    if candidate.similarity is None or weights.learned <= 0:
        return 0.0, ""
    return weights.learned * candidate.similarity, f"meaning: {candidate.similarity:.2f}"


def _sentences(candidate: Candidate, weights: RankingWeights, usual: float) -> Sign:
    if candidate.sentence_similarity is None:
        return 0.0, ""
    value = weights.sentences * (candidate.sentence_similarity - usual)
    return value, f"sentence: {candidate.sentence_similarity:.2f}"
