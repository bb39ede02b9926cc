"""What the followed topics are fed into: fixes, feedback, groups and model updates.

Each receiver decodes one topic's records and hands them on; none keeps more than it needs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import structlog
from confluent_kafka import Message

from fixstream.inference import metrics
from fixstream.inference.bandit import Draw
from fixstream.inference.error_ids import fingerprint_in
from fixstream.inference.evidence import Evidence
from fixstream.inference.knowledge import KnowledgeBase
from fixstream.inference.observations import Observations
from fixstream.inference.reload import ModelFollower
from fixstream.inference.suggest import Suggester
from fixstream.runtime.kafka import decode_message, headers_of
from fixstream.schemas.codec import Codec
from fixstream.schemas.errors import DeadLetter, Undecodable
from fixstream.schemas.records import FixFeedback, ModelUpdate, Solution

log = structlog.get_logger(__name__)

FINGERPRINT_HEADER = "fingerprint"
"""Says on a feedback record which group its error belongs to, where the service knew."""


ARM_HEADER = "arm"
PROPENSITY_HEADER = "propensity"
"""Say on a feedback record how the order of its answer was drawn, if it is about the first fix."""


def feedback_headers(suggester: Suggester, feedback: FixFeedback) -> tuple[tuple[str, bytes], ...]:
    """What goes with feedback, so that the topic alone rebuilds what was learnt from it."""
    if not feedback.fingerprint:
        return ()
    group = ((FINGERPRINT_HEADER, feedback.fingerprint.encode()),)
    draw = suggester.draw_of(feedback.fingerprint, feedback.solution_id)
    if draw is None:
        return group
    return (
        *group,
        (ARM_HEADER, draw.arm.encode()),
        (PROPENSITY_HEADER, repr(draw.propensity).encode()),
    )


class SolutionsReceiver:
    """Keeps the knowledge base as `solutions.v1` is."""

    def __init__(
        self,
        knowledge: KnowledgeBase,
        suggester: Suggester,
        codec: Codec,
        on_caught_up: Callable[[KnowledgeBase], None] | None = None,
    ) -> None:
        """Stores its collaborators; `on_caught_up` is called once the past has been read."""
        self._on_caught_up = on_caught_up
        self._knowledge = knowledge
        self._suggester = suggester
        self._codec = codec
        self._changed: set[str] = set()
        self._is_caught_up = False

    def receive(self, message: Message) -> None:
        """Puts a fix, or removes one for a tombstone."""
        key = message.key()
        if key is None:
            raise Undecodable("a solution without a key")
        if message.value() is None:
            solution_id = key.decode("utf-8", "replace")
            self._knowledge.remove(solution_id)
        else:
            solution = decode_message(message, self._codec, Solution)
            self._knowledge.put(solution)
            solution_id = solution.solution_id
        self._changed.add(solution_id)

    def chunk_ended(self) -> None:
        """Makes the changes show, and forgets the answers that they spoil."""
        if not self._changed:
            return
        # While the past is read nobody waits for each change: commits are dear.
        if self._is_caught_up or len(self._changed) > 5_000:
            self._show()

    def caught_up(self) -> None:
        """Makes the past show."""
        self._is_caught_up = True
        self._show()
        log.info("knowledge base ready", num_solutions=len(self._knowledge))
        if self._on_caught_up is not None:
            self._on_caught_up(self._knowledge)

    def _show(self) -> None:
        changed, self._changed = self._changed, set()
        self._knowledge.commit()
        metrics.SOLUTIONS.set(len(self._knowledge))
        self._suggester.forget_solutions(changed)


class FeedbackReceiver:
    """Turns feedback into evidence."""

    def __init__(
        self, evidence: Evidence, suggester: Suggester, observations: Observations, codec: Codec
    ) -> None:
        """Stores its collaborators."""
        self._evidence = evidence
        self._suggester = suggester
        self._observations = observations
        self._codec = codec

    def receive(self, message: Message) -> None:
        """Counts one word of feedback."""
        feedback = decode_message(message, self._codec, FixFeedback)
        headers = headers_of(message)
        fingerprint = (
            feedback.fingerprint
            or headers.get(FINGERPRINT_HEADER, b"").decode("utf-8", "replace")
            or fingerprint_in(feedback.error_id)
            or self._observations.fingerprint_of(feedback.error_id)
        )
        self._evidence.add(feedback, fingerprint)
        draw = _draw(headers)
        if draw is not None:
            place = fingerprint or feedback.error_id
            worked = feedback.solution_worked
            self._suggester.bandit.learn(draw, worked, feedback.submitter, place)
        metrics.FEEDBACK.labels("yes" if feedback.solution_worked else "no").inc()
        if fingerprint:
            self._suggester.forget_group(fingerprint)

    def chunk_ended(self) -> None:
        """Nothing to do."""

    def caught_up(self) -> None:
        """Nothing to do."""


def _draw(headers: Mapping[str, bytes]) -> Draw | None:
    try:
        arm = headers[ARM_HEADER].decode()
        return Draw(arm, float(headers[PROPENSITY_HEADER]))
    except (KeyError, ValueError):  # Not about a first fix, or not written by us.
        return None


class GroupsReceiver:
    """Counts the groups that the processor remembers, and their occurrences."""

    def __init__(self, observations: Observations) -> None:
        """Stores where the counts go."""
        self._observations = observations

    def receive(self, message: Message) -> None:
        """Takes one group's state, or forgets the group for a tombstone."""
        key, value = message.key(), message.value()
        if key is None:
            raise Undecodable("a group's state without a key")
        fingerprint, partition = key.decode("utf-8", "replace"), message.partition() or 0
        if value is None:
            self._observations.group_forgotten(fingerprint, partition)
            return
        try:
            occurrences = int(json.loads(value)["occurrences"])
        except (ValueError, KeyError, TypeError) as error:
            raise Undecodable(f"no group's state: {error}") from None
        self._observations.group_counted(fingerprint, partition, occurrences)

    def chunk_ended(self) -> None:
        """Nothing to do."""

    def caught_up(self) -> None:
        """Nothing to do."""


class UpdatesReceiver:
    """Hands model updates to the follower."""

    def __init__(self, follower: ModelFollower, codec: Codec) -> None:
        """Stores its collaborators."""
        self._follower = follower
        self._codec = codec

    def receive(self, message: Message) -> None:
        """Hands on one update; a record that is none is refused and counted."""
        try:
            update = decode_message(message, self._codec, ModelUpdate)
        except DeadLetter as error:
            self._follower.refuse_unreadable(str(error))
            raise
        self._follower.see(update)

    def chunk_ended(self) -> None:
        """Retries what has to be retried."""
        self._follower.tend()

    def caught_up(self) -> None:
        """Lets the follower load the newest good model."""
        self._follower.caught_up()
