"""From one error to its labels and its ranked fixes: the core that REST and Kafka both call.

Below the calibrated confidence the list is empty, because a guess costs an engineer more than
silence. It reads no topic and knows no HTTP.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

import structlog

from fixstream.inference import hazards, metrics
from fixstream.inference.analysis import ErrorTerms, error_terms
from fixstream.inference.answer_cache import AnswerCache
from fixstream.inference.bandit import Draw, OrderBandit, reordered
from fixstream.inference.earning import earned_weight, reciprocal_ranks
from fixstream.inference.evidence import Evidence
from fixstream.inference.knowledge import KnowledgeBase
from fixstream.inference.nearest import NearError, NearestErrors
from fixstream.inference.ranking import Question, Ranked, RankingWeights, rank
from fixstream.inference.rule_trust import RuleTrust, has_reported
from fixstream.inference.sentence_reader import SentenceReader, unread
from fixstream.inference.served import ErrorText, Prediction, Vectors
from fixstream.runtime.clock import SystemClock
from fixstream.schemas.enums import FixOrigin, LabelSource
from fixstream.schemas.records import PUBLIC, Fix, FixFeedback, Label, Labels, TriagedError
from fixstream.triage.classify import classify
from fixstream.triage.normalise import normalise
from fixstream.triage.trace import parse_trace
from fixstream.triage.triage import Triage

log = structlog.get_logger(__name__)

MAX_FIXES = 20
ALTERNATIVE_SHARE = 0.2
"""Once the best fix is sure enough, others are shown down to this share of the limit."""
NUM_TOGETHER = 3
"""Fixes that are seen together: as many as an answer holds that asks for no other number."""
MAX_INQUIRIES = 5_000
INQUIRY_TTL_S = 7 * 24 * 3600.0
MAX_TRIALS = 300
MAX_STAMPED_CHARS = 4_000
NUM_CANDIDATES = 32
MIN_MODEL_CONFIDENCE = 0.4

_CODES = re.compile(
    r"(?i)\b(?:errno|err|error|code|status|http|sqlstate|exit|signal|ora|e)\W{0,3}(\d{1,6})\b"
)
_SURER_THAN_MODELS = frozenset({LabelSource.REPORTER, LabelSource.OPERATOR, LabelSource.FEEDBACK})

AdviceKey = tuple[int, str, str]
"""Model version, whose private fixes are seen, and the normalised error."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One error as it is asked about: scrubbed, triaged, and cut into words."""

    fingerprint: str
    service: str | None
    """Whose private fixes may be shown; None for a caller who cannot be told."""
    text: ErrorText
    terms: ErrorTerms
    labels: Labels
    """What the rules or the reporter say."""
    sentence: Vectors | None = None
    """What the frozen sentence encoder makes of it, if there is one and it had the time."""


@dataclass(frozen=True, slots=True)
class Advice:
    """The answer to an inquiry: its labels, and up to `MAX_FIXES` fixes, best first."""

    fingerprint: str
    model_version: int
    labels: Labels
    fixes: tuple[Fix, ...]
    nearest: tuple[NearError, ...] = ()
    """Errors seen before that look like this one, where no fix is known."""
    reason: str | None = None
    """Why there is no fix; None where there is one."""
    draw: Draw | None = None
    """The way in which near-equal fixes were ordered."""


@dataclass(frozen=True, slots=True)
class SuggesterConfig:
    """When a fix is worth showing."""

    min_confidence: float = 0.3
    """The best fix has to be as likely right; else there is no answer."""
    weights: RankingWeights = field(default_factory=RankingWeights)
    exploration: float = 0.05
    """The least propensity of each way of ordering near-equal fixes; 0 switches exploring off."""
    seed: int = 0


class Suggester:
    """Answers inquiries from the knowledge base, the evidence and a prediction."""

    def __init__(
        self,
        knowledge: KnowledgeBase,
        evidence: Evidence,
        cache: AnswerCache[AdviceKey, Advice],
        config: SuggesterConfig | None = None,
        reader: SentenceReader | None = None,
    ) -> None:
        """Stores its collaborators; `reader` is there if a frozen sentence encoder is."""
        self._reader = reader
        self._knowledge = knowledge
        self._evidence = evidence
        self._cache = cache
        self._config = config or SuggesterConfig()
        self._weights = self._config.weights
        self.rule_trust = RuleTrust()
        self._near = NearestErrors(knowledge.scrubber)
        self.bandit = OrderBandit(self._config.exploration, self._config.seed)
        # What was said to whom, so that feedback can be told what it is about.
        self._given: AnswerCache[str, Advice] = AnswerCache(
            SystemClock(), max_size=MAX_INQUIRIES, ttl_s=INQUIRY_TTL_S
        )
        # Kept to judge the learned part by, once somebody confirms a fix for one of them.
        self._inquiries: AnswerCache[str, Inquiry] = AnswerCache(
            SystemClock(), max_size=MAX_INQUIRIES, ttl_s=INQUIRY_TTL_S
        )

    def read(self, text: ErrorText) -> Future[Vectors | None]:
        """What the sentence encoder makes of an error: for `Inquiry.sentence`."""
        return self._reader.submit(text) if self._reader else unread()

    @property
    def is_remote(self) -> bool:
        """Whether `advise` waits for another machine: then it is nothing for an event loop."""
        return self._knowledge.is_remote

    def recall(self, key: AdviceKey) -> Advice | None:
        """The advice that was given under this key a short while ago, if it still stands."""
        advice = self._cache.get(key)
        if advice and not all(fix.solution_id in self._knowledge for fix in advice.fixes):
            advice = None  # A fix was taken away meanwhile.
        metrics.CACHE.labels("advice", "hit" if advice else "miss").inc()
        return advice

    def advise(self, key: AdviceKey, inquiry: Inquiry, prediction: Prediction | None) -> Advice:
        """The labels and fixes for an error; kept for the next one under the same key."""
        self._inquiries.put(inquiry.fingerprint, inquiry)
        labels = merged_labels(self.rule_trust.weighed(inquiry.labels), prediction)
        ranked = self._ranked(inquiry, labels, prediction)
        good = shown(ranked, self._config.min_confidence)
        draw = self.bandit.draw()
        good = reordered(good, draw.arm)
        nearest = () if good else self._near.search(inquiry.fingerprint, inquiry.terms)
        advice = Advice(
            inquiry.fingerprint,
            prediction.model_version if prediction else 0,
            labels,
            tuple(_fix(one) for one in good[:MAX_FIXES]),
            nearest,
            None if good else silence_reason(ranked, self._config.min_confidence),
            draw,
        )
        self._given.put(inquiry.fingerprint, advice)
        # Under the version that answered: a swap between asking and answering keeps nothing stale.
        self._cache.put((advice.model_version, *key[1:]), advice)
        return advice

    def stamped(self, feedback: FixFeedback, fingerprint: str | None) -> FixFeedback:
        """Feedback with what is known of its error and its fix, to learn from by itself.

        A private fix is named, never quoted: its text stays with its service.
        """
        inquiry = self._inquiries.get(fingerprint) if fingerprint else None
        advice = self._given.get(fingerprint) if fingerprint else None
        named = feedback.solution_id
        fix = self._knowledge.get(named) if named and self._knowledge.is_public(named) else None
        return replace(
            feedback,
            fingerprint=fingerprint,
            error_text=_error_text(inquiry) if inquiry else None,
            fix_text=f"{fix.title}\n{fix.text}"[:MAX_STAMPED_CHARS] if fix else None,
            model_version=advice.model_version if advice and advice.model_version else None,
        )

    def draw_of(self, fingerprint: str, solution_id: str | None) -> Draw | None:
        """How the order was drawn of the answer whose first fix this is; None: of no such one."""
        advice = self._given.get(fingerprint)
        is_first = advice and advice.fixes and advice.fixes[0].solution_id == solution_id
        return advice.draw if advice and is_first else None

    def close(self) -> None:
        """Ends the threads of the index of errors."""
        self._near.close()

    def note_seen(self, record: TriagedError) -> None:
        """Lets later errors without a fix be compared with this one."""
        self._near.note(record)

    def nearest(self, inquiry: Inquiry) -> tuple[NearError, ...]:
        """The groups most like this error; its own is one, if it was seen."""
        return self._near.search(inquiry.fingerprint, inquiry.terms)

    @property
    def learned_weight(self) -> float:
        """How much the learned similarity counts at present."""
        return self._weights.learned

    def judge_learned_part(self, embed: Callable[[ErrorText], Vectors | None]) -> float:
        """Sets the weight of the learned similarity to what it has earned; returns it.

        Args:
            embed: The embedding of an error, from the model whose vectors are in use.
        """
        trials = []
        for fingerprint, right in list(self._evidence.confirmed().items())[-MAX_TRIALS:]:
            inquiry = self._inquiries.get(fingerprint)
            vector = embed(inquiry.text) if inquiry is not None else None
            if inquiry is None or vector is None:
                continue
            found = self._knowledge.search(
                inquiry.terms, inquiry.service, NUM_CANDIDATES, vector, inquiry.sentence
            )
            question = Question(fingerprint, inquiry.terms.error_types, inquiry.labels, {})
            trials.append(reciprocal_ranks(found, question, right, self._config.weights))
        self._weights = replace(self._config.weights, learned=earned_weight(trials))
        log.info("learned part judged", num_trials=len(trials), weight=self._weights.learned)
        return self._weights.learned

    def note_reported(self, record: TriagedError) -> None:
        """Lets the rules be measured by the labels that came with an error, if any did."""
        reported = Labels(domain=record.domain, severity=record.severity, category=record.category)
        if has_reported(reported):
            event = replace(record.event, severity_hint=None, domain_hint=None)
            ruled = classify(event, parse_trace(event.stack_trace or ""))
            self.rule_trust.observe(ruled, reported)

    def forget_group(self, fingerprint: str) -> None:
        """Drops what is kept for a group, after feedback on it."""
        self._cache.forget_where(lambda _, advice: advice.fingerprint == fingerprint)

    def forget_solutions(self, changed: Iterable[str]) -> None:
        """Drops what is kept with one of these fixes in it, and answers that had no fix at all."""
        ids = frozenset(changed)
        self._cache.forget_where(
            lambda _, advice: (
                not advice.fixes or any(fix.solution_id in ids for fix in advice.fixes)
            )
        )

    def _ranked(
        self, inquiry: Inquiry, labels: Labels, prediction: Prediction | None
    ) -> list[Ranked]:
        weights = self._weights
        vector = None
        if (
            prediction is not None
            and weights.learned > 0
            and prediction.model_version == self._knowledge.learned.version
        ):
            vector = prediction.embedding
        candidates = self._knowledge.search(
            inquiry.terms, inquiry.service, NUM_CANDIDATES, vector, inquiry.sentence
        )
        question = Question(
            inquiry.fingerprint,
            inquiry.terms.error_types,
            labels,
            self._evidence.of_group(inquiry.fingerprint),
            len(inquiry.terms.told),
        )
        ids = [one.solution.solution_id for one in candidates]
        tallies = {solution_id: self._evidence.of_fix(solution_id) for solution_id in ids}
        return rank(candidates, question, tallies, weights)


def shown(ranked: Sequence[Ranked], min_confidence: float) -> list[Ranked]:
    """The fixes worth showing: none unless a right one is likely among the first of them.

    Several fixes for much the same error take likelihood from each other; a reader sees them all.
    """
    grounded = [one for one in ranked if one.is_grounded]
    if answer_certainty(grounded) < min_confidence:
        return []
    floor = ALTERNATIVE_SHARE * min_confidence
    return grounded[:1] + [
        one
        for one in grounded[1:]
        if one.score >= floor and one.candidate.agrees_on_code is not False
    ]


def silence_reason(ranked: Sequence[Ranked], min_confidence: float) -> str:
    """Why no fix is shown, in one line for people."""
    if not ranked:
        return "No fix that is known shares a word with this error."
    grounded = [one for one in ranked if one.is_grounded]
    if not grounded:
        return "The error says too little to tell which of the known fixes is for it."
    certainty = answer_certainty(grounded)
    return (
        f"The nearest fixes are right with {certainty:.0%}, "
        f"and {min_confidence:.0%} are needed to show them."
    )


def answer_certainty(grounded: Sequence[Ranked]) -> float:
    """How likely one of the first fixes is right."""
    return 1 - math.prod(1 - one.score for one in grounded[:NUM_TOGETHER])


def inquiry_from_triage(triage: Triage, service: str | None) -> Inquiry:
    """An inquiry about an event that was just triaged."""
    event = triage.event
    return Inquiry(
        triage.fingerprint,
        service,
        ErrorText.from_event(event),
        error_terms(event.error_type, event.message, triage.trace),
        triage.labels,
    )


def inquiry_from_record(record: TriagedError) -> Inquiry:
    """An inquiry about an event that the processor triaged."""
    event = record.event
    return Inquiry(
        record.fingerprint,
        event.service,
        ErrorText.from_event(event),
        error_terms(event.error_type, event.message, parse_trace(event.stack_trace or "")),
        Labels(domain=record.domain, severity=record.severity, category=record.category),
    )


def error_key(error_type: str | None, message: str, domain: str | None) -> str:
    """The normalised error: the same for two errors that deserve the same answer.

    Status codes and error numbers are kept beside the normalised message, which would merge a 404
    with a 429.
    """
    codes = ",".join(_CODES.findall(message[:2000]))
    return "\x1f".join((error_type or "", normalise(message), codes, domain or ""))


def visibility_key(service: str | None) -> str:
    """The middle part of an `AdviceKey`."""
    return PUBLIC if service is None else f"service:{service}"


def merged_labels(said: Labels, prediction: Prediction | None) -> Labels:
    """A person's label stands; a model that people have taught outweighs the rules.

    Between a rule and another model, the surer one does.
    """
    if prediction is None:
        return said
    return Labels(
        **{
            head: _merged(getattr(said, head), getattr(prediction, head), head in prediction.told)
            for head in ("domain", "severity", "category")
        }
    )


def _merged(said: Label, predicted: Label, is_told: bool) -> Label:
    if said.source in _SURER_THAN_MODELS:
        return said
    if is_told:  # The rules' claims are part of its answer, weighed by how often they were right.
        return predicted
    if said.confidence >= predicted.confidence:
        return said
    # A model that has learnt nothing spreads its belief: that must not outbid a rule's "medium".
    return predicted if predicted.confidence >= MIN_MODEL_CONFIDENCE else said


def _error_text(inquiry: Inquiry) -> str:
    named = f"{inquiry.text.error_type}: " if inquiry.text.error_type else ""
    return f"{named}{inquiry.text.message}"[:MAX_STAMPED_CHARS]


def _fix(ranked: Ranked) -> Fix:
    solution = ranked.candidate.solution
    return Fix(
        solution_id=solution.solution_id,
        title=solution.title,
        text=solution.text,
        score=round(ranked.score, 4),
        origin=FixOrigin.KNOWLEDGE,
        provenance=solution.provenance,
        matched_on=ranked.matched_on,
        warnings=hazards.warnings(f"{solution.title}\n{solution.text}"),
    )
