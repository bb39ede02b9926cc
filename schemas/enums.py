"""The closed vocabularies of the records; each has a default symbol in its Avro schema.

A reader that meets a symbol it does not know (a newer writer's) reads the default instead.
"""

from __future__ import annotations

from enum import StrEnum


class Domain(StrEnum):
    """Which kind of specialist would look at the error."""

    CLOUD = "cloud"
    NETWORK = "network"
    SECURITY = "security"
    GENERAL = "general"


class Severity(StrEnum):
    """How bad the error is, in ascending order."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"
    EMERGENCY = "emergency"

    @property
    def rank(self) -> int:
        """Position on the ordinal scale: 0 for low, 4 for emergency."""
        return list(Severity).index(self)


class Category(StrEnum):
    """What went wrong, in the words of an engineer on call."""

    CONNECTION = "connection"
    TIMEOUT = "timeout"
    DNS = "dns"
    TLS = "tls"
    AUTHENTICATION = "authentication"
    AUTHORIZATION = "authorization"
    QUOTA = "quota"
    NOT_FOUND = "not_found"
    CONFIGURATION = "configuration"
    DEPENDENCY = "dependency"
    RESOURCE_EXHAUSTED = "resource_exhausted"
    CONCURRENCY = "concurrency"
    SERIALIZATION = "serialization"
    DATA_INTEGRITY = "data_integrity"
    PROGRAMMING = "programming"
    UNKNOWN = "unknown"


class LabelSource(StrEnum):
    """Who says so. Operators and feedback win over rules and models."""

    REPORTER = "reporter"
    RULE = "rule"
    CRAWLER = "crawler"
    MODEL = "model"
    FEEDBACK = "feedback"
    OPERATOR = "operator"


class EventSource(StrEnum):
    """Through which door an error event came in."""

    MIDDLEWARE = "middleware"
    LOGGING = "logging"
    REST = "rest"
    STACKOVERFLOW = "stackoverflow"
    REDDIT = "reddit"
    GITHUB = "github"
    HACKERNEWS = "hackernews"
    IMPORT = "import"


class ClosedBy(StrEnum):
    """Why a batch window closed."""

    SIZE = "size"
    BYTES = "bytes"
    AGE = "age"


class UpdateKind(StrEnum):
    """What a model update says about its checkpoint."""

    PROMOTED = "promoted"
    REJECTED = "rejected"
    ROLLED_BACK = "rolled_back"
    BLOCKED = "blocked"
    """Ranges may not be learnt from any more; the model in use stays in use."""

    @property
    def is_servable(self) -> bool:
        """Whether the update puts its checkpoint into use."""
        return self in (UpdateKind.PROMOTED, UpdateKind.ROLLED_BACK)


class CauseBasis(StrEnum):
    """What ties two errors together."""

    TRACE = "trace"
    SERVICES = "services"
    """Two services within a window of time."""


class FixOrigin(StrEnum):
    """Whether a fix stands in the knowledge base or was generated from it."""

    KNOWLEDGE = "knowledge"
    GENERATED = "generated"
