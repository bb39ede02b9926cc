"""How fast the scrubber is: MB/s on texts without and dense with secrets, and on hostile ones.

Beside it, in the same run, runs a plain scrubber that tries the same vendor patterns one after the
other with Python's `re`. Run it with `python benchmarks/triage_scrub.py`; it needs no data.
"""

from __future__ import annotations

import random
import re
import sys
import time
from collections.abc import Callable

from fixstream.triage.scrub import FAILED, Scrubber
from fixstream.triage.secrets import vendors

HOSTILE_LIMIT_S = 0.050
SIZE = 2_000_000


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


def plain_scrub(patterns: list[re.Pattern[str]], text: str) -> str:
    """The baseline: one `re` substitution after the other."""
    for pattern in patterns:
        text = pattern.sub("[secret]", text)
    return text


def rate(scrub: Callable[[str], str], texts: list[str]) -> float:
    """Returns MB/s of processor time, after a warm-up on a tenth of the texts."""
    for text in texts[: len(texts) // 10]:
        scrub(text)
    start = time.process_time()
    for text in texts:
        scrub(text)
    return sum(map(len, texts)) / (time.process_time() - start) / 1e6


def main() -> int:
    """Prints the table; returns 1 when a hostile text is over its limit."""
    rng = random.Random(7)
    scrubber = Scrubber()
    patterns = [re.compile(pattern) for _, _, pattern in vendors.ROWS]
    for name, texts in (("clean", clean_texts(rng, SIZE)), ("dense", dense_texts(rng, SIZE // 4))):
        ours = rate(scrubber.scrub, texts)
        plain = rate(lambda text: plain_scrub(patterns, text), texts[:100])
        print(
            f"{name:6} {ours:8.1f} MB/s   plain re (vendor forms only) {plain:6.2f} MB/s   x{ours / plain:.0f}"
        )
    slow = 0
    for unit in (
        "a",
        "1",
        "@",
        "-",
        "=",
        '"',
        "A",
        ".",
        "/",
        ":",
        "[",
        "\\",
        " ",
        "\n",
        "password=",
        "a@",
    ):
        text = (unit * (1_000_000 // len(unit)))[:1_000_000]
        start = time.process_time()
        result = scrubber.scrub(text)
        seconds = time.process_time() - start
        slow += seconds > HOSTILE_LIMIT_S and len(unit) == 1
        print(
            f"1 MB of {unit!r:12} {seconds * 1e3:7.1f} ms{'  FAILED' if result == FAILED else ''}"
        )
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
