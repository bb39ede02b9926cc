"""The page in a real browser: by keyboard alone, light and dark, without a word to other hosts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request

from fixstream.inference.group_history import fit_to_show
from fixstream.schemas.records import FixFeedback
from fixstream.triage.scrub import Scrubber
from support.inference import Service, triaged
from support.page_data import filled_service
from support.page_server import CHROMIUM, browser, serving

pytestmark = pytest.mark.skipif(
    not Path(CHROMIUM).exists(), reason=f"there is no Chromium at {CHROMIUM}"
)

PAINTED = """() => [...document.querySelectorAll('main *, header *, footer *')].flatMap((one) => {
  const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const box = one.getBoundingClientRect();
  if (!own || box.width < 2 || one.closest('svg, option')) return [];
  let under = one;
  const clear = 'rgba(0, 0, 0, 0)';
  while (getComputedStyle(under).backgroundColor === clear) under = under.parentElement;
  const rgb = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  return [{text: one.textContent.trim().slice(0, 40), ink: rgb(getComputedStyle(one).color),
           ground: rgb(getComputedStyle(under).backgroundColor)}];
})"""
FOCUSED = """() => {
  const one = document.activeElement, style = getComputedStyle(one);
  const box = one.getBoundingClientRect();
  return {tag: one.tagName, text: (one.textContent || one.id).trim().slice(0, 60),
          outline: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
          seen: box.width > 0 && box.left >= 0};
}"""


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[Service, dict[str, str], str, Browser]]:
    with filled_service() as (running, names), serving(running.app) as url, browser() as chromium:
        yield running, names, url, chromium


class Watched:
    """A page whose complaints and requests are kept."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._asked)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.text} {message.location}")

    def _asked(self, request: Request) -> None:
        self.hosts.add(urlsplit(request.url).netloc)


@pytest.fixture
def watched(shop: tuple[Service, dict[str, str], str, Browser]) -> Iterator[Watched]:
    context = shop[3].new_context(viewport={"width": 1280, "height": 860})
    context.set_default_timeout(15_000)
    seen = Watched(context.new_page())
    yield seen
    context.close()
    assert seen.complaints == []
    assert seen.hosts <= {urlsplit(shop[2]).netloc}


def contrast(one: list[float], other: list[float]) -> float:
    """The ratio of WCAG 2."""

    def luminance(colour: list[float]) -> float:
        parts = [value / 255 for value in colour]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(
    shop: tuple[Service, dict[str, str], str, Browser], watched: Watched, scheme: str
) -> None:
    _, names, url, _ = shop
    page = watched.page
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    grounds = set()
    for path in (
        "/",
        f"/groups/{names['timeout']}",
        f"/groups/{names['space']}",
        "/models",
        "/status",
    ):
        page.goto(url + path)
        painted = page.evaluate(PAINTED)
        assert len(painted) > 20
        for one in painted:
            ratio = contrast(one["ink"], one["ground"])
            assert ratio >= 4.5, f"{scheme} {path}: {one['text']!r} has {ratio:.2f}"
        grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    (ground,) = grounds
    is_dark = sum(map(int, re.findall(r"\d+", ground)[:3])) < 200
    assert is_dark == (scheme == "dark")


def test_a_fix_is_judged_by_keyboard_alone(
    shop: tuple[Service, dict[str, str], str, Browser], watched: Watched
) -> None:
    running, names, url, _ = shop
    page = watched.page
    page.goto(url + "/?severity=high&service=checkout")
    focused = []
    for _ in range(25):
        page.keyboard.press("Tab")
        focused.append(page.evaluate(FOCUSED))
        if focused[-1]["text"].startswith("ReadTimeout"):
            break
    assert focused[0]["text"] == "Skip to content"
    assert all(one["outline"] and one["seen"] for one in focused), focused
    order = [one["text"] for one in focused]
    assert order.index("Groups") < order.index("Show") < order.index(focused[-1]["text"])
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/groups/{names['timeout']}")
    reached = []
    for _ in range(25):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(FOCUSED))
        if reached[-1]["text"].startswith("Worked"):
            break
    assert all(one["outline"] for one in reached), reached
    assert "httpx.ReadTimeout" in reached[-1]["text"]  # The button says which fix.
    page.keyboard.press("Enter")
    page.wait_for_url("**said=worked*")
    assert "Counted as your voice" in page.get_by_role("status").inner_text()
    (record,) = [one.record for one in running.intake.sent]
    assert isinstance(record, FixFeedback)
    assert (record.solution_worked, record.fingerprint) == (True, names["timeout"])


def test_it_works_without_javascript(
    shop: tuple[Service, dict[str, str], str, Browser],
) -> None:
    running, _, url, chromium = shop
    before = len(running.intake.sent)
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(url)
    page.get_by_label("Service").select_option("stock")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name="database is locked").first.click()
    page.get_by_role("button", name="Did not work").first.click()
    assert "it did not work" in page.get_by_role("status").inner_text()
    assert page.locator("#refresh").is_hidden()
    context.close()
    assert len(running.intake.sent) == before + 1


def test_the_page_stays_fresh_until_it_is_paused(
    shop: tuple[Service, dict[str, str], str, Browser], watched: Watched
) -> None:
    running, _, url, _ = shop
    page = watched.page
    page.clock.install()
    page.goto(url)
    happened(running, "v1-00000000000000aa", "<b>fresh</b> error")
    page.clock.fast_forward(6_000)
    page.get_by_role("link", name="<b>fresh</b> error").wait_for()
    page.get_by_role("button", name="Pause").click()
    assert page.locator("#pause").get_attribute("aria-pressed") == "true"
    happened(running, "v1-00000000000000bb", "later error")
    page.clock.fast_forward(20_000)
    assert page.get_by_text("later error").count() == 0
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("link", name="later error").wait_for()


def test_hostile_texts_are_harmless_in_a_browser(
    shop: tuple[Service, dict[str, str], str, Browser], watched: Watched
) -> None:
    running, _, url, _ = shop
    page = watched.page
    hostile = (
        "<script>document.title='owned'</script><img src=//evil.example onerror=alert(1)>\u202e"
    )
    happened(running, "v1-00000000000000cc", hostile)
    for path in ("/", "/groups/v1-00000000000000cc"):
        page.goto(url + path)
        assert page.title() != "owned"
        assert page.locator("main script, main img").count() == 0
        assert "⟨U+202E⟩" in page.locator("main").inner_text()


def test_a_narrow_screen_needs_no_sideways_scrolling(
    shop: tuple[Service, dict[str, str], str, Browser], watched: Watched
) -> None:
    _, names, url, _ = shop
    page = watched.page
    page.set_viewport_size({"width": 320, "height": 700})
    for path in ("/", f"/groups/{names['timeout']}", "/models", "/status"):
        page.goto(url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path


def test_a_phone_shows_the_navigation_in_one_line_and_fixes_whole(
    shop: tuple[Service, dict[str, str], str, Browser], watched: Watched
) -> None:
    _, names, url, _ = shop
    page = watched.page
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(url + f"/groups/{names['timeout']}")
    tops = page.locator("nav a").evaluate_all("all => all.map(a => a.getBoundingClientRect().top)")
    assert len(set(tops)) == 1
    hidden = "all => all.map(text => text.scrollHeight - text.clientHeight)"
    assert max(page.locator(".text").evaluate_all(hidden)) <= 0


def happened(running: Service, fingerprint: str, title: str) -> None:
    shown = fit_to_show(replace(triaged("e", title), fingerprint=fingerprint), Scrubber())
    running.observations.history.saw(fingerprint, running.parts.clock.now(), lambda: shown)
