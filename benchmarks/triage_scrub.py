"""How fast the scrubber is: MB/s on texts without and dense with secrets, µs a text, hostile texts.

Dense texts are of three kinds: twenty lines of five common forms, twenty lines of any form that the tests'
corpus knows, and lines of that corpus each by itself. Each figure twice: on texts that were not seen
before, after a warm-up on a tenth of them, and when they come again. Beside it, in the same run, a plain scrubber replaces the same forms of issuers and six common rules, one
after the other, with Python's `re`; and sentry-sdk's own scrubber where it is installed, which looks at
keys alone. `python benchmarks/triage_scrub.py [HISTORY.jsonl[.gz]]`: with a file, unseen events of it
are timed too.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reporting import keep

# The corpus with all forms is the tests' own.
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from fixstream.triage.scrub import FAILED, SCRUBBER_VERSION, Scrubber
from fixstream.triage.secrets import vendors
from support import scrub_corpus

HOSTILE_LIMIT_S = 0.050
"""For a megabyte of one character."""
DENSE_LIMIT_S = 5.0
"""For a megabyte of one short phrase, of which each copy has to be judged."""
SIZE = 2_000_000
NUM_BASELINE = 40
MAX_LINE = 400
NUM_AGAIN = 3
PHRASES = (
    "a@", "password=", "::", "1.1.1.", "1.1.1.1 ", "-----BEGIN", "-----BEGIN PRIVATE KEY-----",
    "-----END PRIVATE KEY-----", "eyJ", "token ", "://a:", "a:b@", '="', "aA1_", "[a]", "Bearer ",
    "Cookie: a=b;", "secret: ",
)  # fmt: skip
_PLAIN_RULES = (
    r"(?i)[\w.-]*(?:password|passwd|pwd|secret|token|api_?key)[\"']?\s*[:=]\s*[\"']?[^\s\"',;&]+",
    r"(?i)\b(?:bearer|basic)\s+[\w.~+/=-]+",
    r"\b[\w.%+-]+@[\w.-]+\.[A-Za-z]{2,}\b",
    r"\b(?:\d{1,3}\.){3}\d{1,3}\b",
    r"\b(?:\d[ -]?){13,16}\b",
    r"://[^/\s:@]+:[^/\s@]+@",
)
"""What a team writes in an afternoon; it stands behind the forms of issuers."""


def clean_texts(rng: random.Random, size: int) -> list[str]:
    """Returns invented traces and log lines without secrets, about `size` characters in all."""
    words = [
        "order",
        "stock",
        "cart",
        "user",
        "session",
        "handler",
        "service",
        "client",
        "queue",
        "price",
    ]
    texts: list[str] = []
    total = 0
    while total < size:
        lines = [
            f"{rng.choice(words).title()}Exception: {rng.choice(words)} {rng.randint(1, 9999)} not found"
        ]
        for _ in range(rng.randint(8, 25)):
            package = ".".join(rng.sample(words, 3))
            lines.append(
                f"\tat com.example.{package}.{rng.choice(words).title()}.{rng.choice(words)}"
                f"({rng.choice(words).title()}.java:{rng.randint(1, 999)})"
            )
        lines.append(
            f"2026-11-22 10:{rng.randint(10, 59)}:00 INFO [{rng.choice(words)}-{rng.randint(1, 9)}] retrying"
        )
        texts.append("\n".join(lines))
        total += len(texts[-1])
    return texts


def dense_texts(rng: random.Random, size: int) -> list[str]:
    """Returns texts with a secret about every sixty characters."""
    alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"

    def some(count: int) -> str:
        return "".join(rng.choices(alphabet, k=count))

    forms: list[Callable[[], str]] = [
        lambda: f"DB_PASSWORD={some(12)}",
        lambda: f"user {some(6)}@example.org failed with token gh" + f"p_{some(36)}",
        lambda: f"connect postgres://app:{some(10)}@db{rng.randint(1, 9)}.example.com/shop",
        lambda: (
            f'{{"api_key": "{some(32)}", "client": "203.0.{rng.randint(1, 250)}.{rng.randint(1, 250)}"}}'
        ),
        lambda: f"Authorization: Bearer {some(40)}",
    ]
    texts: list[str] = []
    total = 0
    while total < size:
        texts.append("\n".join(rng.choice(forms)() for _ in range(20)))
        total += len(texts[-1])
    return texts


def lines_of_all_forms(rng: random.Random) -> list[str]:
    """Returns lines with a secret each, of every form, syntax and name that the corpus has."""
    lines = [case.text for case in scrub_corpus.all_planted(7) if len(case.text) < MAX_LINE]
    rng.shuffle(lines)
    return lines


def joined(lines: list[str]) -> list[str]:
    """Returns texts of twenty lines."""
    return ["\n".join(lines[first : first + 20]) for first in range(0, len(lines), 20)]


def plain_scrub(patterns: list[re.Pattern[str]], text: str) -> str:
    """The baseline: one `re` substitution after the other."""
    for pattern in patterns:
        text = pattern.sub("[secret]", text)
    return text


def sentry_scrub() -> Callable[[str], object] | None:
    """Returns sentry-sdk's scrubber for the text as an event's message, or None."""
    try:
        from sentry_sdk.scrubber import EventScrubber
    except ImportError:
        return None
    scrubber = EventScrubber()
    return lambda text: scrubber.scrub_event({"message": text, "extra": {"line": text}})


def seconds(scrub: Callable[[str], object], texts: list[str]) -> float:
    """Returns the processor time for all texts."""
    start = time.process_time()
    for text in texts:
        scrub(text)
    return time.process_time() - start


def rate(scrub: Callable[[str], object], texts: list[str]) -> float:
    """Returns MB/s of processor time, after a warm-up on a tenth of the texts."""
    seconds(scrub, texts[: len(texts) // 10])
    return sum(map(len, texts)) / seconds(scrub, texts) / 1e6


def rate_again(scrub: Callable[[str], object], texts: list[str]) -> float:
    """Returns MB/s for texts that were seen before: the best of some times."""
    best = min(seconds(scrub, texts) for _ in range(NUM_AGAIN))
    return sum(map(len, texts)) / best / 1e6


def hostile(scrubber: Scrubber) -> dict[str, float]:
    """Returns milliseconds for a megabyte of each unit; -1 where the text was given up."""
    found: dict[str, float] = {}
    for unit in (*'a1@-="A./:[\\ \n', *PHRASES):
        text = unit * (1_000_000 // len(unit))
        start = time.process_time()
        result = scrubber.scrub(text)
        millis = (time.process_time() - start) * 1e3
        found[unit] = -1.0 if result == FAILED else round(millis, 1)
    return found


def unseen(path: Path) -> list[str]:
    """Returns the texts of a history file."""
    data = path.read_bytes()
    rows = map(json.loads, (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines())
    return [f"{row['message']}\n{row.get('stack_trace') or ''}" for row in rows]


def is_too_slow(unit: str, millis: float) -> bool:
    """Tells whether a hostile text is over its limit or was given up."""
    limit_s = HOSTILE_LIMIT_S if len(unit) == 1 else DENSE_LIMIT_S
    return millis < 0 or millis > limit_s * 1e3


def main() -> int:
    """Prints and keeps the figures; returns 1 when a hostile text is over its limit."""
    rng = random.Random(7)
    scrubber, sentry = Scrubber(), sentry_scrub()
    patterns = [re.compile(pattern) for _, _, pattern in vendors.ROWS]
    patterns += [re.compile(pattern) for pattern in _PLAIN_RULES]
    texts = {"clean": clean_texts(rng, SIZE), "dense": dense_texts(rng, SIZE // 4)}
    lines = lines_of_all_forms(rng)
    texts |= {"dense_all_forms": joined(lines), "dense_lines": lines}
    if len(sys.argv) > 1:
        texts["history"] = unseen(Path(sys.argv[1]))
    figures: dict[str, Any] = {"scrubber": SCRUBBER_VERSION}
    for name, some in texts.items():
        ours = rate(scrubber.scrub, some)
        plain = rate(lambda text: plain_scrub(patterns, text), some[:NUM_BASELINE])
        figures[name] = {
            "mb_per_s": round(ours, 2),
            "again_mb_per_s": round(rate_again(scrubber.scrub, some), 2),
            "us_per_text": round(sum(map(len, some)) / len(some) / ours, 1),
            "plain_re_mb_per_s": round(plain, 2),
            "ratio": round(ours / plain, 1),
            "sentry_sdk_keys_only_mb_per_s": round(rate(sentry, some), 2) if sentry else None,
        }
    figures["hostile_ms_per_mb"] = hostile(scrubber)
    keep("triage_scrub", figures)
    return int(any(is_too_slow(*item) for item in figures["hostile_ms_per_mb"].items()))


if __name__ == "__main__":
    sys.exit(main())
