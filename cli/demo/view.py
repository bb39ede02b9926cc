"""The live view in the terminal. It draws a snapshot and decides nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich import box
from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from fixstream.cli.console import out
from fixstream.cli.demo.story import LatestFix, Snapshot

UNKNOWN = "-"
STATUS_LINE_EVERY_S = 5.0


class Screen(Protocol):
    """Where the story is shown."""

    def show(self, snapshot: Snapshot, num_raw: int, elapsed_s: float) -> None:
        """Shows a newer snapshot; `num_raw` counts the events in `errors.raw`."""


@contextmanager
def open_screen(web_url: str) -> Iterator[Screen]:
    """A live view on a terminal; elsewhere a line every few seconds."""
    if not out.is_terminal:
        yield _Lines()
        return
    with Live(console=out, auto_refresh=False, screen=False) as live:
        yield _LiveView(live, web_url)


class _LiveView:
    def __init__(self, live: Live, web_url: str) -> None:
        self._live = live
        self._web_url = web_url

    def show(self, snapshot: Snapshot, num_raw: int, elapsed_s: float) -> None:
        view = draw(snapshot, num_raw=num_raw, elapsed_s=elapsed_s, web_url=self._web_url)
        self._live.update(view, refresh=True)


class _Lines:
    def __init__(self) -> None:
        self._next_s = 0.0

    def show(self, snapshot: Snapshot, num_raw: int, elapsed_s: float) -> None:
        if elapsed_s >= self._next_s:
            self._next_s = elapsed_s + STATUS_LINE_EVERY_S
            out.print(status_line(snapshot, num_raw=num_raw, elapsed_s=elapsed_s), markup=False)


def draw(snapshot: Snapshot, *, num_raw: int, elapsed_s: float, web_url: str) -> Group:
    """The whole view as one renderable.

    Args:
        snapshot: what subscribers have seen.
        num_raw: events in `errors.raw`.
        elapsed_s: seconds since the traffic began.
        web_url: address of the web page.
    """
    head = Text.assemble(
        ("fixstream demo ", "bold"),
        f"{elapsed_s:5.0f} s   web page: ",
        (web_url, "underline cyan"),
        "   Ctrl-C ends it with a summary",
    )
    flow = _pairs(
        ("errors raised", f"{num_raw}"),
        ("lag", f"{_lag(snapshot, num_raw)}"),
        ("triaged", f"{snapshot.num_triaged}"),
        ("groups", f"{snapshot.num_groups}"),
        ("dead letters", f"{snapshot.num_dead_lettered}"),
        ("batches", f"{snapshot.num_batches}"),
    )
    learning = _pairs(
        ("training steps", f"{snapshot.num_steps}"),
        ("loss", _number(snapshot.loss, "{:.3f}")),
        ("model version", f"{snapshot.model_version or UNKNOWN}"),
        ("promoted", f"{snapshot.num_promoted}"),
        ("rejected", f"{snapshot.num_rejected}"),
        ("versions served", ", ".join(map(str, snapshot.versions_served)) or UNKNOWN),
    )
    answers = _pairs(
        ("suggestions", f"{snapshot.num_suggestions}"),
        ("with a fix", f"{snapshot.num_answered}"),
        ("p50 raise to fix", _number(snapshot.p50_ms, "{:.0f} ms")),
        ("p99 raise to fix", _number(snapshot.p99_ms, "{:.0f} ms")),
        ("REST requests", f"{snapshot.num_requests}"),
        ("failed", f"{snapshot.num_failed_requests}"),
    )
    columns = Table.grid(expand=True, padding=(0, 1))
    for _ in range(3):
        columns.add_column(ratio=1)
    columns.add_row(
        Panel(flow, title="errors"),
        Panel(learning, title="learning"),
        Panel(answers, title="answers"),
    )
    return Group(head, columns, _latest(snapshot.latest))


def status_line(snapshot: Snapshot, *, num_raw: int, elapsed_s: float) -> str:
    """The same in one line, for output that is not a terminal."""
    return (
        f"{elapsed_s:4.0f} s  raised {num_raw}  lag {_lag(snapshot, num_raw)}"
        f"  groups {snapshot.num_groups}"
        f"  batches {snapshot.num_batches}  steps {snapshot.num_steps}"
        f"  loss {_number(snapshot.loss, '{:.3f}')}  model {snapshot.model_version or UNKNOWN}"
        f"  suggestions {snapshot.num_suggestions}  p50 {_number(snapshot.p50_ms, '{:.0f} ms')}"
        f"  requests {snapshot.num_requests} failed {snapshot.num_failed_requests}"
    )


def _lag(snapshot: Snapshot, num_raw: int) -> int:
    return max(0, num_raw - snapshot.num_triaged - snapshot.num_dead_lettered)


def _pairs(*rows: tuple[str, str]) -> Table:
    table = Table.grid(expand=True)
    table.add_column(style="dim")
    table.add_column(justify="right", style="bold")
    for name, value in rows:
        table.add_row(name, value)
    return table


def _latest(latest: tuple[LatestFix, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, title="latest suggestions")
    table.add_column("error", ratio=4, no_wrap=True, overflow="ellipsis")
    table.add_column("category", ratio=1, no_wrap=True)
    table.add_column("fix", ratio=4, no_wrap=True, overflow="ellipsis")
    table.add_column("source", ratio=2, no_wrap=True, overflow="ellipsis")
    table.add_column("model", justify="right")
    for item in reversed(latest):
        fix = Text(item.fix) if item.fix else Text("no good fix known", style="dim")
        table.add_row(
            Text(item.title),
            item.category,
            fix,
            Text(item.source),
            f"{item.model_version}",
        )
    return table


def _number(value: float | None, form: str) -> str:
    return UNKNOWN if value is None else form.format(value)
