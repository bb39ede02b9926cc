"""The frozen sentence encoder in retrieval: in time or not at all, and one sign of the order."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace

import numpy as np
import pytest

from fixstream.inference.answer_cache import AnswerCache
from fixstream.inference.embedder import Embedder
from fixstream.inference.evidence import Evidence
from fixstream.inference.knowledge import KnowledgeBase
from fixstream.inference.sentence_reader import DEADLINE_S, MAX_WAITING, SentenceReader
from fixstream.inference.served import ErrorText, Vectors
from fixstream.inference.suggest import (
    Advice,
    AdviceKey,
    Inquiry,
    Suggester,
    SuggesterConfig,
    inquiry_from_record,
)
from fixstream.runtime.clock import SettableClock, SystemClock
from fixstream.triage.scrub import Scrubber
from support.deadlines import eventually
from support.inference import solution, triaged
from support.sentences import WIDTH, Letters

PATIENCE_S = 30


class Held(Letters):
    """Reads nothing until it is let go; notes what it read."""

    def __init__(self) -> None:
        super().__init__()
        self.has_begun, self.may_go = threading.Event(), threading.Event()
        self.order: list[str] = []

    def read(self, text: ErrorText) -> bytes:
        self.has_begun.set()
        assert self.may_go.wait(PATIENCE_S)
        self.order.append(text.message)
        if text.message == "unreadable":
            raise RuntimeError("this cannot be read")
        return super().read(text)


def vector(reading: Future[Vectors | None]) -> Vectors | None:
    return reading.result(PATIENCE_S)


def begin(reader: SentenceReader, encoder: Held) -> Future[Vectors | None]:
    """An error that is being read, so that what comes next has to wait."""
    first = reader.submit(ErrorText("first"))
    assert encoder.has_begun.wait(PATIENCE_S)
    return first


def test_an_error_is_read_before_fixes_that_came_earlier() -> None:
    encoder = Held()
    with (
        ThreadPoolExecutor(1) as beside,
        SentenceReader(encoder, SettableClock()) as reader,
        ExitStack() as stack,
    ):
        stack.callback(encoder.may_go.set)
        begin(reader, encoder)
        fixes = beside.submit(reader.encode, 1, ["fix 1", "fix 2"])
        eventually(lambda: len(reader._fixes) == 2)
        error = reader.submit(ErrorText("error"))
        encoder.may_go.set()
        assert vector(error) is not None
        found = fixes.result(PATIENCE_S)
        assert found is not None
        assert found.shape == (2, WIDTH)
    assert encoder.order == ["first", "error", "fix 1", "fix 2"]


def test_what_has_waited_too_long_is_left_unread() -> None:
    encoder, clock = Held(), SettableClock()
    with SentenceReader(encoder, clock) as reader:
        first = begin(reader, encoder)
        late = reader.submit(ErrorText("late"))
        clock.advance(2 * DEADLINE_S)
        encoder.may_go.set()
        assert vector(first) is not None
        assert vector(late) is None
    assert encoder.order == ["first"]


@pytest.mark.parametrize("waited_s", [0.0, 2 * DEADLINE_S])
def test_a_caller_who_goes_away_takes_nobody_along(waited_s: float) -> None:
    encoder, clock = Held(), SettableClock()
    with SentenceReader(encoder, clock) as reader:
        begin(reader, encoder)
        assert reader.submit(ErrorText("gone")).cancel()
        clock.advance(waited_s)
        last = reader.submit(ErrorText("last"))
        encoder.may_go.set()
        assert vector(last) is not None
    assert encoder.order == ["first", "last"]


def test_too_many_are_refused_at_once() -> None:
    encoder = Held()
    with SentenceReader(encoder, SettableClock()) as reader, ExitStack() as stack:
        stack.callback(encoder.may_go.set)
        begin(reader, encoder)
        for number in range(MAX_WAITING):
            assert not reader.submit(ErrorText(f"{number}")).done()
        assert reader.submit(ErrorText("one too many")).done()


def test_one_unreadable_text_ends_nothing() -> None:
    encoder = Held()
    encoder.may_go.set()
    with SentenceReader(encoder, SettableClock()) as reader:
        assert vector(reader.submit(ErrorText("unreadable"))) is None
        fixes = reader.encode(1, ["unreadable", "a card"])
        assert fixes is not None
        assert fixes[0].tolist() == [0.0] * WIDTH
        assert np.linalg.norm(fixes[1]) == pytest.approx(1.0, abs=1e-3)
    assert reader.encode(1, ["after the end"]) is None
    assert vector(reader.submit(ErrorText("after the end"))) is None


def test_meaning_decides_without_a_model_where_words_do_not() -> None:
    with ExitStack() as stack:
        knowledge = KnowledgeBase(Scrubber())
        stack.callback(knowledge.close)
        reader = stack.enter_context(SentenceReader(Letters(), SettableClock()))
        cache: AnswerCache[AdviceKey, Advice] = AnswerCache(SystemClock())
        suggester = Suggester(knowledge, Evidence(), cache, SuggesterConfig(0.0), reader)
        stack.callback(suggester.close)
        knowledge.put(solution("a", "ledger hull tttt dtdt"))
        knowledge.put(solution("b", "ledger hull rama card"))
        knowledge.put(solution("strange", "armada marcata", "Carama."))
        knowledge.commit()
        Embedder(knowledge, knowledge.sentences, reader).catch_up()
        inquiry = inquiry_from_record(triaged("e", "maraca drama, ledger hull"))
        sentence = vector(suggester.read(inquiry.text))
        read = replace(inquiry, sentence=sentence)
        found = knowledge.search(inquiry.terms, None, 10, sentence=sentence)
        assert {one.solution.solution_id for one in found} == {"a", "b", "strange"}
        assert first(suggester, inquiry) == "a", "equal by words: the order of the ids"
        assert first(suggester, read) == "b"
        knowledge.remove("b")
        assert first(suggester, read) == "a"


def first(suggester: Suggester, inquiry: Inquiry) -> str:
    advice = suggester.advise((0, "public", inquiry.fingerprint), inquiry, None)
    return advice.fixes[0].solution_id


class Tired:
    """Encodes the probe and two fixes, and then no more."""

    version = 1

    def __init__(self) -> None:
        self.num_calls = 0

    def encode(self, version: int, texts: Sequence[str]) -> Vectors | None:
        self.num_calls += 1
        return np.ones((len(texts), WIDTH), np.float32) if self.num_calls < 3 else None


def test_the_first_vectors_are_used_before_all_are_there() -> None:
    with closing(KnowledgeBase(Scrubber())) as knowledge:
        for number in range(4):
            knowledge.put(solution(f"fix-{number}", "ledger hull"))
        knowledge.commit()
        Embedder(knowledge, knowledge.sentences, Tired()).catch_up()
        terms = inquiry_from_record(triaged("e", "ledger hull")).terms
        found = knowledge.search(terms, None, 10, sentence=np.ones(WIDTH, np.float32))
        assert sum(one.sentence_similarity is not None for one in found) == 2
        assert len(found) == 4
