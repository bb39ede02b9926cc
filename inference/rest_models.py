"""The bodies and answers of the REST calls, with the limits of each field."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from fixstream.inference.suggest import MAX_FIXES
from fixstream.schemas.limits import (
    MAX_ATTRIBUTE_CHARS,
    MAX_ATTRIBUTES,
    MAX_ID_CHARS,
    MAX_TEXT_CHARS,
    MAX_TITLE_CHARS,
    MAX_TRACE_CHARS,
)

DomainName = Literal["cloud", "network", "security", "general"]
SeverityName = Literal["low", "medium", "high", "critical", "emergency"]
Id = Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARS, pattern=r"^[\x21-\x7e]+$")]
Name = Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARS)]
Message = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_TEXT_CHARS,
        description=f"What went wrong, 1 to {MAX_TEXT_CHARS:,} characters.",
    ),
]
ErrorType = Annotated[str, Field(max_length=MAX_TITLE_CHARS)]
Trace = Annotated[str, Field(max_length=MAX_TRACE_CHARS)]


def _whole(value: object) -> object:
    # To JSON Schema 3.0 is an integer, and some languages write no other numbers.
    return int(value) if isinstance(value, float) and value.is_integer() else value


TopK = Annotated[int, Field(ge=1, le=MAX_FIXES), BeforeValidator(_whole)]
_TRACE = Field(
    description=f"A stack trace as it was printed, at most {MAX_TRACE_CHARS:,} characters."
)
TopKOrDefault = Annotated[
    TopK | None,
    Field(description=f"Fixes wanted at most, 1..{MAX_FIXES}; left out: as the service is set."),
]
MAX_REPORTS = 1000


class Body(BaseModel):
    """A request body: numbers are not taken for texts, nor texts for truth values."""

    model_config = ConfigDict(strict=True, frozen=True)


class ErrorReport(Body):
    """One error to learn from. Unknown fields are ignored."""

    error_type: ErrorType | None
    message: Message
    stack_trace: Annotated[Trace | None, _TRACE] = None
    severity: SeverityName | None = None
    domain: DomainName | None = None
    service: Name | None = None
    event_id: Id | None = None
    attributes: Annotated[
        dict[Name, Annotated[str, Field(max_length=MAX_ATTRIBUTE_CHARS)]],
        Field(max_length=MAX_ATTRIBUTES),
    ] = {}


class ErrorsBody(Body):
    """Errors to learn from. Unknown fields are ignored."""

    errors: Annotated[list[ErrorReport], Field(min_length=1, max_length=MAX_REPORTS)]


class ErrorsAccepted(BaseModel):
    """The errors that Kafka has acknowledged: none of them needs to be sent again."""

    accepted: int
    event_ids: list[str]


class PredictBody(Body):
    """One error to predict for. Unknown fields are ignored."""

    error_message: Message
    domain: DomainName | None = None
    error_type: ErrorType | None = None
    stack_trace: Annotated[Trace | None, _TRACE] = None
    top_k: TopKOrDefault = None


class PredictedLabel(BaseModel):
    """One judgement: `source` says whether a rule, a person or the model made it."""

    value: str
    confidence: float
    source: str


class Predictions(BaseModel):
    """The three judgements on an error."""

    category: PredictedLabel
    domain: PredictedLabel
    severity: PredictedLabel


class ProvenanceAnswer(BaseModel):
    """Where a fix comes from, and under which licence it may be shown."""

    url: str
    author: str | None
    license: str | None
    retrieved_at: str | None


class FixAnswer(BaseModel):
    """One fix; `score` is how sure we are of it, 0 to 1."""

    solution_id: str
    title: str
    text: str
    score: float
    origin: str
    provenance: ProvenanceAnswer
    matched_on: list[str]
    warnings: list[str] = []
    """What its commands may destroy or switch off."""


class NearErrorAnswer(BaseModel):
    """A group of errors seen before; `score` is how likely it is the same fault, 0 to 1."""

    fingerprint: str
    title: str
    score: float
    occurrences: int


class FixesAnswer(BaseModel):
    """The fixes for an error, best first; empty when no good fix is known."""

    model_version: int
    fixes: list[FixAnswer]
    nearest_errors: list[NearErrorAnswer] = []
    """The errors most like this one, where no good fix is known."""
    reason: str | None = None
    """Why there is no fix; null where there is one."""


class PredictAnswer(FixesAnswer):
    """What is known about an error. Feedback names its `error_id`."""

    error_id: str
    predictions: Predictions
    cached: bool


class FeedbackBody(Body):
    """Whether a fix worked. Unknown fields are ignored."""

    error_id: Id
    solution_worked: bool
    feedback: Annotated[str, Field(max_length=MAX_TEXT_CHARS)] | None = None
    solution_id: Id | None = None


class FeedbackAccepted(BaseModel):
    """Kafka has acknowledged the feedback."""

    feedback_id: str


class ProblemDocument(BaseModel):
    """A refusal, as RFC 9457 describes it; `errors` names the fields that do not fit."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] | None = None
