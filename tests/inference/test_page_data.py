"""What the page is made from: histories, graphs of causes, harmless texts, honest charts."""

from __future__ import annotations

import math
import sys
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from confluent_kafka import Message

from fixstream.inference import page_status
from fixstream.inference.cause_graph import CauseGraph
from fixstream.inference.group_history import MAX_WAITING_BYTES, GroupHistory, fit_to_show
from fixstream.inference.page_charts import LINE_HEIGHT, Measured, bars, line
from fixstream.inference.page_receivers import CausesReceiver, HistoryReceiver
from fixstream.inference.page_text import age, code_spans, number, safe_link, split_title, visible
from fixstream.inference.readiness import Readiness
from fixstream.schemas.codec import Codec
from fixstream.schemas.errors import Undecodable
from fixstream.schemas.records import CauseEdge, Record, TriagedError
from fixstream.triage.scrub import Scrubber
from support.inference import triaged

NOW = datetime(2026, 11, 22, 12, 0, 30, tzinfo=UTC)
SCRUBBER = Scrubber()
SECRET = "AKIAIOSFODNN7EXAMPLE"


def edge(cause: str, effect: str, count: int = 1, **fields: object) -> CauseEdge:
    made = CauseEdge(
        cause=cause,
        effect=effect,
        cause_service=f"{cause}-service",
        effect_service=f"{effect}-service",
        count=count,
        last_seen_at=NOW,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


class Arrived:
    """A message as the broker hands it over."""

    def __init__(
        self, key: str, record: Record | bytes | None, offset: int, at: datetime = NOW
    ) -> None:
        self._key = key.encode()
        self._value = Codec().encode(record) if not isinstance(record, bytes | None) else record
        self._offset = offset
        self._at_ms = int(at.timestamp() * 1000)

    def key(self) -> bytes:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def topic(self) -> str:
        return "topic"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._offset

    def timestamp(self) -> tuple[int, int]:
        return 1, self._at_ms


def arrived(key: str, record: Record | bytes | None, offset: int, at: datetime = NOW) -> Message:
    return cast("Message", Arrived(key, record, offset, at))


def test_events_are_counted_in_their_minute_and_hour() -> None:
    history = GroupHistory()
    for minutes_ago in (0, 0, 1, 59, 60, 23 * 60):
        at = NOW - timedelta(minutes=minutes_ago)
        history.saw("g", at, lambda: triaged("e"))
    seen = history.seen("g", NOW)
    assert seen is not None
    assert (seen.minutes[-1], seen.minutes[-2], seen.minutes[0], len(seen.minutes)) == (2, 1, 1, 60)
    assert (sum(seen.minutes), sum(seen.hours), len(seen.hours)) == (4, 6, 24)
    assert seen.num_seen == 6
    assert (seen.first_seen, seen.last_seen) == (NOW - timedelta(hours=23), NOW)


def test_few_records_are_read_and_the_newest_when_it_is_looked_at() -> None:
    history, read = GroupHistory(), []

    def reading(second: int) -> TriagedError:
        read.append(second)
        return triaged(f"e{second}", f"title {second}")

    for second in range(1000):
        at = NOW + timedelta(seconds=second)
        history.saw("g", at, lambda second=second: reading(second))  # type: ignore[misc]
    assert len(read) == 2  # The first one, and one ten minutes later.
    seen = history.seen("g", NOW)
    assert seen is not None
    assert seen.record.title == "title 999"
    assert len(read) == 3


def test_a_large_or_broken_record_does_not_displace_the_last_good_one() -> None:
    def broken() -> TriagedError:
        raise Undecodable("no")

    history = GroupHistory()
    assert history.saw("g", NOW, lambda: triaged("good")) is not None
    later = NOW + timedelta(minutes=1)
    assert history.saw("g", later, broken, MAX_WAITING_BYTES + 1) is None
    history.saw("g", later + timedelta(minutes=1), broken)
    seen = history.seen("g", NOW, timedelta(0))
    assert seen is not None
    assert (seen.record.event.event_id, seen.num_seen) == ("good", 3)
    with pytest.raises(Undecodable):
        history.saw("new", NOW, broken)
    assert "new" not in history


def test_groups_are_bounded_and_the_one_seen_last_comes_first() -> None:
    history = GroupHistory(max_groups=3)
    for index in (1, 2, 3, 1, 4):
        history.saw(f"g{index}", NOW + timedelta(seconds=index), lambda: triaged("e"))
    assert history.groups(NOW, lambda _: True) == ["g4", "g3", "g1"]
    assert history.groups(NOW + timedelta(days=2), lambda _: True) == []
    assert history.groups(NOW, lambda _: False) == []


def test_what_is_held_is_scrubbed_and_cut() -> None:
    record = triaged("e", f"bad {SECRET}")
    trace = f"head {SECRET}\n" + "frame\n" * 10_000 + "tail"
    event = replace(record.event, message="m" * 1_000_000, stack_trace=trace, attributes={"a": "b"})
    shown = fit_to_show(replace(record, event=event), SCRUBBER)
    assert SECRET not in repr(shown)
    assert shown.event.stack_trace is not None
    assert shown.event.stack_trace.startswith("head [")
    assert shown.event.stack_trace.endswith("tail")
    assert "characters left out" in shown.event.stack_trace
    assert len(repr(shown)) < 20_000
    assert shown.event.attributes == {}


def test_a_reader_that_starts_over_counts_nothing_twice() -> None:
    history = GroupHistory()
    new: list[TriagedError] = []
    receiver = HistoryReceiver(history, Codec(), SCRUBBER, new.append)
    record = triaged("e", f"bad {SECRET}")
    for _ in range(2):
        for offset in range(5):
            receiver.receive(arrived("g", record, offset))
    seen = history.seen("g", NOW)
    assert seen is not None
    assert seen.num_seen == 5
    assert len(new) == 1
    assert SECRET not in seen.record.title
    with pytest.raises(Undecodable):
        receiver.receive(arrived("other", b"garbage", 9))
    with pytest.raises(Undecodable):
        receiver.receive(arrived("other", None, 10))


def test_edges_add_up_over_partitions_and_evidence_is_no_claim() -> None:
    graph = CauseGraph()
    receiver = CausesReceiver(graph, Codec())
    for offset, (partition, count) in enumerate(((0, 2), (1, 3), (0, 4))):
        receiver.receive(arrived(f"a>b@{partition}", edge("a", "b", count), offset))
    receiver.receive(arrived("c>b@0", edge("c", "b", 0, num_nearby=9), 3))
    receiver.receive(arrived("d>b@0", edge("d", "b", 50), 4))
    receiver.receive(arrived("d>b@0", None, 5))
    (link,) = graph.causes_of("b")
    assert (link.cause, link.count, link.cause_service) == ("a", 7, "a-service")
    assert graph.effects_of("a") == [link]
    assert graph.effects_of("c") == []


def test_the_chain_leads_back_to_the_origin_and_ends_in_a_circle() -> None:
    graph = CauseGraph()
    for cause, effect, count in (("a", "b", 5), ("b", "c", 9), ("x", "c", 2), ("c", "a", 1)):
        graph.put(cause + effect, edge(cause, effect, count))
    assert [(one.cause, one.effect) for one in graph.chain_to("c")] == [("a", "b"), ("b", "c")]
    assert graph.chain_to("nobody") == []


def test_the_graph_is_bounded() -> None:
    graph = CauseGraph(max_edges=10)
    for index in range(100):
        graph.put(str(index), edge(f"c{index}", "e"))
    assert len(graph) == 10
    assert graph.effects_of("c0") == []
    assert len(graph._by_cause) == 10


def test_every_plane_becomes_text_that_shows_itself() -> None:
    hidden = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    for start in range(0, sys.maxunicode, 4096):
        text = "".join(f"a{chr(code)}b" for code in range(start, start + 4096))
        shown = visible(text)
        assert isinstance(shown, str)
        shown.encode()  # No lone surrogate is left.
        assert not [c for c in shown if unicodedata.category(c) in hidden and c not in "\n\t"]
    assert visible("abc\u202egpj.exe") == "abc⟨U+202E⟩gpj.exe"
    assert visible("é \U0001f469\u200d\U0001f4bb") == "é \U0001f469\u200d\U0001f4bb"
    assert visible(7) == 7


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "data:text/html,x", "//host/x", "https://", "http://[", "",
     "https://a\u202eb", " javascript:alert(1)", "urn:fixstream:starter:x"],
)  # fmt: skip
def test_only_web_addresses_are_links(url: str) -> None:
    assert safe_link(url) is None
    assert safe_link("https://example.org/a?b=c") == "https://example.org/a?b=c"


def test_texts_for_people() -> None:
    assert split_title("ValueError: no\n good") == ("ValueError", ": no good")
    assert split_title("") == ("", "(no title)")
    assert len("".join(split_title("x" * 1_000_000))) == 200
    assert [number(one) for one in (None, math.nan, 1234, 0.12345, 1e9)] == [
        "n/a", "n/a", "1,234", "0.123", "1,000,000,000",
    ]  # fmt: skip
    ages = [age(NOW - timedelta(seconds=one), NOW) for one in (-5, 0, 59, 60, 7200, 200_000)]
    assert ages == ["just now", "just now", "59 s ago", "1 min ago", "2 h ago", "2 d ago"]
    assert code_spans("run `ls` now") == [(False, "run "), (True, "ls"), (False, " now")]
    assert code_spans("a ` b") == [(False, "a ` b")]
    assert code_spans("`a` and ` b") == [(True, "a"), (False, " and ` b")]


def test_bars_stay_in_their_chart_and_say_the_same_in_words() -> None:
    chart = bars([0, 4, 1, 0], "minute", 40)
    assert [one.height for one in chart.bars] == [24.0, 6.0]
    assert all(0 <= one.x <= 40 - one.width and one.y + one.height == 24 for one in chart.bars)
    assert chart.text == "5 in the last 4 minutes; most in one minute: 4, 2 minutes ago."
    assert bars([0, 0], "hour", 40).text == "No event in the last 2 hours."


def test_a_line_goes_through_what_came_into_use_and_marks_the_rest() -> None:
    values = [
        Measured(1, 0.2, "promoted", True),
        Measured(2, 0.1, "rejected", False),
        Measured(3, math.nan, "promoted", True),
        Measured(4, 0.6, "promoted", True),
    ]
    made = line("F1", values, is_share=True)
    assert made is not None
    assert len(made.points.split()) == 2
    assert [one.kind for one in made.marks] == ["promoted", "rejected", "promoted"]
    assert all(0 <= one.y <= LINE_HEIGHT for one in made.marks)
    assert "0.2 at version 1, 0.6 at version 4" in made.text
    assert line("F1", [Measured(1, math.inf, "promoted", True)], is_share=False) is None


@pytest.mark.parametrize(
    ("left", "filled", "note"),
    [
        (1_200, None, "1,200 records to read"),
        (0, 40, "40 of 1,500 embedded anew"),
        (0, None, ""),
        (None, None, ""),
    ],
)
def test_the_status_says_how_far_the_fixes_are(
    left: int | None, filled: int | None, note: str
) -> None:
    told: dict[str, object] = {
        "knowledge": "ready" if left == 0 else "reading",
        "knowledge_left": left,
        "solutions": 1_500,
        "vectors_made": filled,
    }
    facts = {one.name: one for one in page_status._parts(Readiness(False, told))}
    assert facts["Knowledge base"].note == note
    assert facts["Knowledge base"].is_bad is (left != 0)
