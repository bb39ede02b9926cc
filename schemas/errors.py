"""The exception tree, in families by what the caller does next.

    FixstreamError
    ├── RetryLater            try the same again after a pause
    │   └── BrokerUnavailable
    ├── DeadLetter            set this one record aside and go on
    │   ├── Undecodable
    │   ├── UnknownSchema
    │   ├── InvalidRecord
    │   ├── TooLarge
    │   └── ProcessingFailed
    └── Stop                  a person has to act before going on makes sense
        ├── Misconfigured
        ├── SchemaConflict
        ├── OffsetGap
        ├── ArtifactRejected
        └── StartFailed

A `ValueError` tells a user of a function about a bad argument; an `assert` guards an invariant.
"""

from __future__ import annotations

from typing import ClassVar


class FixstreamError(Exception):
    """Root of everything that fixstream raises on purpose."""


class RetryLater(FixstreamError):
    """The same call may succeed after a pause."""


class BrokerUnavailable(RetryLater):
    """Kafka did not answer, or refused for a passing reason."""


class DeadLetter(FixstreamError):
    """This one record cannot be processed; `error_class` is what the dead-letter topic calls it."""

    error_class: ClassVar[str] = "failed"


class Undecodable(DeadLetter):
    """The bytes are no message of ours, or end too early."""

    error_class = "undecodable"


class UnknownSchema(DeadLetter):
    """The message names a schema that no reader here knows."""

    error_class = "unknown_schema"


class InvalidRecord(DeadLetter):
    """The message decodes, but breaks a rule of its record."""

    error_class = "invalid"


class TooLarge(DeadLetter):
    """The message, or a field of it, is over its limit."""

    error_class = "too_large"


class ProcessingFailed(DeadLetter):
    """Our own code failed on this record, more often than the attempts allow."""

    error_class = "failed"


class Stop(FixstreamError):
    """Going on would lose or corrupt something; a person has to look."""


class Misconfigured(Stop):
    """A setting is missing or wrong; the message names it."""


class SchemaConflict(Stop):
    """Two schemas claim one fingerprint, or a schema broke compatibility."""


class OffsetGap(Stop):
    """Offsets that were promised are missing, so an example would be lost silently."""


class ArtifactRejected(Stop):
    """A checkpoint or model update failed verification; the one in use stays."""


class StartFailed(Stop):
    """A process we need did not come up within its deadline."""
