"""Stack Exchange: questions become events, good answers solutions, and its limits are obeyed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from support.crawl import NOW_S, ApiServer
from support.crawl_stackoverflow import QUESTIONS, TRACE, answer, bench, question, wrapper


async def test_a_question_and_its_answers_become_an_event_and_solutions(
    api: ApiServer, tmp_path: Path
) -> None:
    api.on(QUESTIONS, lambda _: wrapper(question(7, NOW_S)))
    api.on(
        f"{QUESTIONS}/7/answers",
        lambda _: wrapper(
            answer(1, 7, score=9),
            answer(2, 7, is_accepted=True, score=0),
            answer(3, 7, score=-4),
        ),
    )
    crawl = bench(api, tmp_path)

    report = await crawl.crawl()

    assert report.failures == []
    (event,) = crawl.publisher.events
    assert event.event_id == f"stackoverflow:7@{NOW_S - 100}"
    assert (event.error_type, event.language, event.stack_trace) == ("KeyError", "python", TRACE)
    assert event.message.startswith("KeyError 'sku' when loading order 7")
    assert "Traceback" not in event.message
    assert event.provenance is not None
    assert event.provenance.author == "Asker7 O'Neil"
    assert event.provenance.license == "CC BY-SA 4.0"
    assert event.attributes["fixstream.solution_id"] == "stackoverflow:answer/2"
    assert event.attributes["fixstream.train_after"] > "2026-03-02T11:5"
    accepted, top = crawl.publisher.solutions
    assert (accepted.solution_id, accepted.is_accepted) == ("stackoverflow:answer/2", True)
    assert (top.solution_id, top.votes) == ("stackoverflow:answer/1", 9)
    assert top.usable_after == datetime.fromtimestamp(NOW_S - 50, UTC) + timedelta(hours=24)
    assert top.text == "Use `rows.get(key)`."
    assert top.provenance.url == "https://stackoverflow.com/a/1"
    assert top.provenance.license == "CC BY-SA 3.0"


async def test_a_second_run_repeats_nothing_and_takes_what_changed(
    api: ApiServer, tmp_path: Path
) -> None:
    listed = [question(1, NOW_S - 20), question(2, NOW_S - 10)]
    answers = [answer(11, 1)]
    api.on(QUESTIONS, lambda _: wrapper(*listed))
    for ids in ("1;2", "1", "2"):
        api.on(f"{QUESTIONS}/{ids}/answers", lambda _: wrapper(*answers))
    crawl = bench(api, tmp_path)
    await crawl.crawl()
    await crawl.crawl()
    assert len(crawl.event_ids) == 2
    assert crawl.solution_ids == ["stackoverflow:answer/11"]

    answers.append(answer(12, 1, is_accepted=True))
    listed[0] = question(1, NOW_S, creation_date=NOW_S - 120, answer_count=2)
    listed[1] = question(2, NOW_S, last_edit_date=NOW_S, creation_date=NOW_S - 110)
    await crawl.crawl()
    assert crawl.event_ids[2:] == [f"stackoverflow:2@{NOW_S}"]
    assert crawl.solution_ids[1:] == ["stackoverflow:answer/12"]


async def test_pages_are_read_by_time_and_by_number_where_the_time_is_ignored(
    api: ApiServer, tmp_path: Path
) -> None:
    pages = {1: question(1, NOW_S - 30), 2: question(2, NOW_S - 20), 3: question(3, NOW_S - 10)}
    api.on(
        QUESTIONS,
        lambda request: wrapper(
            {**pages[int(request.query["page"])], "answer_count": 0},
            has_more=request.query["page"] != "3",
        ),
    )
    crawl = bench(api, tmp_path)
    assert (await crawl.crawl()).failures == []
    assert len(crawl.event_ids) == 3
    assert [query["page"] for query in api.asked(QUESTIONS)] == ["1", "1", "2", "3"]


async def test_a_post_that_moves_while_pages_are_read_is_not_skipped(
    api: ApiServer, tmp_path: Path
) -> None:
    posts = {number: question(number, NOW_S - 1000 + number, answer_count=0) for number in range(9)}
    posts.pop(0)

    def page(request: web.Request) -> web.Response:
        # A real list of two a page; with each request its oldest post changes and moves to the end.
        since, at = int(request.query["min"]), int(request.query["page"]) - 1
        listed = sorted(
            (one for one in posts.values() if one["last_activity_date"] >= since),
            key=lambda one: one["last_activity_date"],
        )
        answered = wrapper(*listed[2 * at : 2 * at + 2], has_more=len(listed) > 2 * at + 2)
        moved = min(posts)
        posts[moved] = question(moved, NOW_S + len(api.requests), answer_count=0)
        return answered

    api.on(QUESTIONS, page)
    crawl = bench(api, tmp_path, max_pages=30)
    await crawl.crawl()
    assert {event_id.split("@")[0] for event_id in crawl.event_ids} == {
        f"stackoverflow:{number}" for number in range(1, 9)
    }


async def test_a_backoff_holds_up_its_own_method_only(api: ApiServer, tmp_path: Path) -> None:
    api.on(QUESTIONS, lambda _: wrapper(question(1, NOW_S), backoff=10))
    api.on(f"{QUESTIONS}/1/answers", lambda _: wrapper(answer(2, 1)))
    crawl = bench(api, tmp_path, stackoverflow_tags=("python", "java"))
    await crawl.crawl()
    assert crawl.slept == [10.0]
    assert len(api.asked(QUESTIONS)) == 2


async def test_a_long_pause_ends_the_run_and_outlives_the_process(
    api: ApiServer, tmp_path: Path
) -> None:
    api.on(QUESTIONS, lambda _: wrapper(question(1, NOW_S, answer_count=0), backoff=900))
    crawl = bench(api, tmp_path, stackoverflow_tags=("python", "java"))
    report = await crawl.crawl()
    assert len(crawl.event_ids) == 1
    (failure,) = report.failures
    assert failure.startswith("stackoverflow java:")
    assert "2026-03-01 12:15:00" in failure

    assert len((await crawl.crawl()).failures) == 2
    assert len(api.requests) == 1
    crawl.clock.advance(901)
    await crawl.crawl()
    assert len(api.requests) == 2


async def test_the_floor_of_the_quota_is_left_alone_until_midnight(
    api: ApiServer, tmp_path: Path
) -> None:
    api.on(QUESTIONS, lambda _: wrapper(question(1, NOW_S, answer_count=0), quota_remaining=20))
    crawl = bench(api, tmp_path, stackoverflow_tags=("python", "java"))
    report = await crawl.crawl()
    assert len(crawl.event_ids) == 1
    assert "2026-03-02 00:00:00" in report.failures[0]
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"error_id": 502, "error_name": "throttle_violation",
          "error_message": "too many requests, more requests available in 300 seconds"},
         "12:05:00"),
        ({"error_id": 400, "error_name": "bad_parameter", "error_message": "tagged"}, "bad_param"),
        ({"error_id": 503, "error_name": "temporarily_unavailable", "error_message": "x"}, "503"),
    ],
)  # fmt: skip
async def test_errors_in_the_wrapper_end_the_query_and_keep_the_cursor(
    api: ApiServer, tmp_path: Path, error: dict[str, Any], expected: str
) -> None:
    api.on(QUESTIONS, lambda _: web.json_response(error, status=400))
    crawl = bench(api, tmp_path)
    (failure,) = (await crawl.crawl()).failures
    assert expected in failure

    api.on(QUESTIONS, lambda _: wrapper(question(1, NOW_S, answer_count=0)))
    crawl.clock.advance(400)
    await crawl.crawl()
    assert len(crawl.event_ids) == 1


async def test_a_vanished_answer_is_taken_back(api: ApiServer, tmp_path: Path) -> None:
    answers = [answer(11, 1), answer(12, 1)]
    listed = [question(1, NOW_S, answer_count=2)]
    api.on(QUESTIONS, lambda _: wrapper(*listed))
    api.on(f"{QUESTIONS}/1/answers", lambda _: wrapper(*answers))
    crawl = bench(api, tmp_path)
    await crawl.crawl()

    listed[0] = question(1, NOW_S + 60, answer_count=1, creation_date=NOW_S - 100)
    del answers[0]
    await crawl.crawl()
    assert crawl.publisher.tombstones == ["stackoverflow:answer/11"]

    api.on("/2.3/answers/12", lambda _: wrapper())
    crawl.clock.advance(25 * 3600)
    await crawl.crawl()
    assert crawl.publisher.tombstones[1:] == ["stackoverflow:answer/12"]


async def test_items_of_wrong_types_are_counted_and_the_others_taken(
    api: ApiServer, tmp_path: Path
) -> None:
    bad = [None, 7, {}, question(1, NOW_S, title=None), question("2", NOW_S)]  # type: ignore[arg-type]
    bad += [question(3, 10**30), question(4, NOW_S, owner="me"), question(-1, NOW_S)]
    good = question(5, NOW_S, tags="python", answer_count=0, title="Error \ud800 in \x00 load")
    api.on(QUESTIONS, lambda _: wrapper(*bad, good))
    crawl = bench(api, tmp_path)
    report = await crawl.crawl()
    assert report.counts["stackoverflow"]["bad_item"] == len(bad)
    assert len(crawl.event_ids) == 1


async def test_one_author_fills_no_run_alone(api: ApiServer, tmp_path: Path) -> None:
    owner = {"display_name": "Flooder"}
    api.on(
        QUESTIONS,
        lambda _: wrapper(
            *(question(n, NOW_S + n, owner=owner, answer_count=0) for n in range(1, 9)),
            question(9, NOW_S + 9, answer_count=0),
        ),
    )
    crawl = bench(api, tmp_path, max_posts_per_author=3)
    report = await crawl.crawl()
    assert len(crawl.event_ids) == 4
    assert report.counts["stackoverflow"]["author_quota"] == 5


async def test_a_full_run_stops_in_a_page_and_the_next_goes_on(
    api: ApiServer, tmp_path: Path
) -> None:
    listed = [question(n, NOW_S + n, answer_count=0) for n in range(1, 8)]
    api.on(QUESTIONS, lambda _: wrapper(*listed))
    crawl = bench(api, tmp_path, max_posts_per_run=3)
    for expected in (3, 6, 7, 7):
        await crawl.crawl()
        assert len(crawl.event_ids) == expected
    assert len(set(crawl.event_ids)) == 7


async def test_what_kafka_did_not_take_is_found_again(api: ApiServer, tmp_path: Path) -> None:
    api.on(QUESTIONS, lambda _: wrapper(question(1, NOW_S, answer_count=0)))
    crawl = bench(api, tmp_path)
    crawl.publisher.is_down = True
    assert len((await crawl.crawl()).failures) == 1
    crawl.publisher.is_down = False
    await crawl.crawl()
    assert len(crawl.event_ids) == 1


async def test_secrets_in_posts_are_scrubbed(api: ApiServer, tmp_path: Path) -> None:
    key = "AKIA" + "Q7X2M4N6P8R1T3V5"
    body = f"<pre>connection failed with {key}</pre>"
    api.on(QUESTIONS, lambda _: wrapper(question(1, NOW_S, body=body)))
    api.on(f"{QUESTIONS}/1/answers", lambda _: wrapper(answer(2, 1, body=f"<p>Not {key}!</p>")))
    crawl = bench(api, tmp_path)
    await crawl.crawl()
    assert key not in repr([*crawl.publisher.events, *crawl.publisher.solutions])
    assert "[aws" in crawl.publisher.events[0].message


async def test_answers_that_cannot_be_had_are_asked_for_again(
    api: ApiServer, tmp_path: Path
) -> None:
    api.on(QUESTIONS, lambda _: wrapper(question(1, NOW_S)))
    crawl = bench(api, tmp_path)
    await crawl.crawl()
    assert (len(crawl.event_ids), crawl.solution_ids) == (1, [])
    api.on(f"{QUESTIONS}/1/answers", lambda _: wrapper(answer(2, 1)))
    await crawl.crawl()
    assert (len(crawl.event_ids), crawl.solution_ids) == (1, ["stackoverflow:answer/2"])
