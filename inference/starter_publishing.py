"""Publishes the starter set of fixes, once, when the topic holds none of it.

A topic that holds any of it was filled before, and what is missing then was removed on purpose.
"""

from __future__ import annotations

import structlog

from fixstream.inference.knowledge import KnowledgeBase
from fixstream.inference.responder import Publisher
from fixstream.inference.starter import starter_solutions

log = structlog.get_logger(__name__)

DELIVERY_TIMEOUT_S = 30.0


class StarterPublisher:
    """Fills an empty knowledge base."""

    def __init__(self, publisher: Publisher, solutions_topic: str) -> None:
        """Stores its collaborators."""
        self._publisher = publisher
        self._topic = solutions_topic

    def publish_if_missing(self, knowledge: KnowledgeBase) -> None:
        """Publishes the set unless one of its fixes is held, and puts it there at once.

        What is published comes back by the topic a moment later; who asks as soon as the service
        says that it is ready would find nothing until then.

        Raises:
            RetryLater: Kafka did not take it.
        """
        starter = starter_solutions()
        if any(one.solution_id in knowledge for one in starter):
            return
        for one in starter:
            self._publisher.publish(self._topic, one.solution_id, one)
        self._publisher.flush(DELIVERY_TIMEOUT_S)
        for one in starter:
            knowledge.put(one)
        knowledge.commit()
        log.info("starter fixes published", num_solutions=len(starter))
