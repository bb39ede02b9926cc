"""How far a reader is with the past of its topics; the rest is held on a real broker."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

from confluent_kafka import OFFSET_END, OFFSET_INVALID, Consumer, Message, TopicPartition

from fixstream.runtime.topic_reader import TopicReader
from support.deadlines import eventually

TOPIC = "solutions"
ENDS = {0: (2, 7), 1: (0, 0), 2: (0, 3)}
"""Partitions with the first offset that is kept, and the next one to come."""


@dataclass
class KeptTopic:
    """A consumer of one topic that gives a record at each poll."""

    left: list[tuple[int, int]] = field(
        default_factory=lambda: [(0, 2), (0, 3), (0, 5), (0, 6), (2, 0), (2, 2)]
    )
    at: dict[int, int] = field(default_factory=dict)

    def list_topics(self, topic: str, timeout: float) -> object:
        found = SimpleNamespace(error=None, partitions=dict.fromkeys(ENDS))
        return SimpleNamespace(topics={topic: found})

    def get_watermark_offsets(self, one: TopicPartition, timeout: float) -> tuple[int, int]:
        return ENDS[one.partition]

    def assign(self, partitions: list[TopicPartition]) -> None:
        assert len(partitions) == len(ENDS)

    def poll(self, timeout: float) -> Message | None:
        if not self.left:
            return None
        partition, offset = self.left.pop(0)
        self.at[partition] = offset + 1
        message = SimpleNamespace(error=lambda: None, topic=lambda: TOPIC, offset=lambda: offset)
        return cast("Message", message)

    def consume(self, count: int, timeout: float) -> list[Message]:
        return []

    def position(self, places: list[TopicPartition]) -> list[TopicPartition]:
        return [
            TopicPartition(TOPIC, one.partition, self.at.get(one.partition, OFFSET_INVALID))
            for one in places
        ]

    def close(self) -> None:
        pass


@dataclass
class Halting:
    """Takes a chunk each time that it is let."""

    may_go_on: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    has_caught_up: bool = False

    def receive(self, message: Message) -> None:
        self.may_go_on.acquire()

    def chunk_ended(self) -> None:
        pass

    def caught_up(self) -> None:
        self.has_caught_up = True


def test_what_is_left_of_the_past_is_told_while_it_is_read() -> None:
    receiver = Halting()
    reader = TopicReader(lambda: cast("Consumer", KeptTopic()), [TOPIC], receiver)
    told = [reader.num_left]
    with reader:
        try:
            eventually(lambda: reader.num_left == 8)
            told.append(reader.num_left)
            # Of the first partition everything, of the last one its first record.
            receiver.may_go_on.release(5)
            eventually(lambda: reader.num_left == 2)
            told.append(reader.num_left)
            assert not reader.is_caught_up
        finally:
            receiver.may_go_on.release(len(ENDS))
        eventually(lambda: reader.is_caught_up)
        told.append(reader.num_left)
    assert told == [None, 8, 2, 0]
    assert receiver.has_caught_up


def test_a_topic_with_nothing_young_enough_has_nothing_left() -> None:
    told: list[int | None] = []

    class Old(KeptTopic):
        def poll(self, timeout: float) -> None:
            told.append(reader.num_left)

        def offsets_for_times(
            self, asked: list[TopicPartition], timeout: float
        ) -> list[TopicPartition]:
            return [TopicPartition(TOPIC, one.partition, OFFSET_END) for one in asked]

        def position(self, places: list[TopicPartition]) -> list[TopicPartition]:
            return [TopicPartition(TOPIC, one.partition, ENDS[one.partition][1]) for one in places]

    consumer = cast("Consumer", Old(left=[]))
    reader = TopicReader(lambda: consumer, [TOPIC], Halting(), max_age_s={TOPIC: 1.0})
    with reader:
        eventually(lambda: reader.is_caught_up)
    assert set(told) == {0}
