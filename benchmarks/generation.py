"""Whether a generated fix says better than the retrieved one what the fix should say.

    python benchmarks/generation.py [--full] [--data FOLDER]

Held-out pairs of an error and its text, of two sorts. `incidents`: kinds of incident written for
this benchmark, of which a third is held out whole; the retrieved fix is that of another incident of
the kind. `reports`: real bug reports, the earlier half taught and the later half measured; the text
is what follows the title, and as the retrieved text it has the names of other reports in the place
of its own. Beside the retrieved text stands the plainest rewriting: each name by the first of its
kind in the error. Everything generated goes through what production holds against it.

Two decoders are measured, one that has seen reports alone and one that has seen both. How often a
text that is right already is changed is told too, for reports and for the starter fixes.
The encoder has random weights, as on the first day; a small one, or with `--full` the whole one.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from generation_pairs.incidents import HELD_OUT, LEARNT, Kind, incident
from generation_pairs.likeness import chrf, rouge_l
from pretraining import DATA, FULL, SMALL
from reporting import keep

from fixstream.inference.generation import adapted_fix
from fixstream.inference.hazards import warnings
from fixstream.inference.served import Rewriting
from fixstream.inference.starter import starter_solutions
from fixstream.producers.history import history_records
from fixstream.runtime.clock import SystemClock
from fixstream.schemas.enums import FixOrigin
from fixstream.schemas.records import Fix, Provenance
from fixstream.trainer.features import HashedTokenizer, TokenizerConfig
from fixstream.trainer.model import ModelConfig, TrainedModel
from fixstream.trainer.precision import measure_precision
from fixstream.trainer.rewriter import Rewriter
from fixstream.trainer.rewriter_learning import RewriterLearning
from fixstream.trainer.rewriting import draft, rewritten
from fixstream.trainer.substitution import Swapping, TextPair, exercise, told_apart
from fixstream.trainer.words import words_of
from fixstream.triage.scrub import Scrubber

# The questions to the starter fixes are the tests' own.
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from support.questions import CALIBRATION
from support.questions import HELD_OUT as ASKED_LATER

FILES = ("history_dev.jsonl.gz", "domain_dev.jsonl.gz")
NUM_OF_KIND = 60
NUM_HELD_OUT_OF_KIND = 25
MAX_MEASURED = 600
"""Reports of the later half; more would say the same and take longer."""
SHARED_ONLY = Swapping(untouched=0.0, stranger=0.0)
"""Of a stranger that was swapped nobody could say what it should be."""
OF_STEP = 8
Rewrite = Callable[[str, str], Rewriting | None]


class Case(NamedTuple):
    """What was retrieved for an error, and what it should say."""

    error: str
    retrieved: str
    wanted: str


def reports(folder: Path, scrubber: Scrubber) -> tuple[list[TextPair], list[TextPair]]:
    """Reports with more than a title, scrubbed: the earlier half of each file, and the later."""
    earlier: list[TextPair] = []
    later: list[TextPair] = []
    for path in (folder / name for name in FILES):
        found = [
            pair
            for record in history_records(path, undated_as=SystemClock().now())
            if (pair := told_apart(scrubber.scrub(record.event.message), record.event.error_type))
        ]
        half = len(found) // 2
        earlier += found[:half]
        later += found[half :: max(1, half * len(FILES) // MAX_MEASURED)]
    random.Random(5).shuffle(earlier)
    return earlier, later


def incident_pairs(kinds: Sequence[Kind], number: int, seed: int) -> list[TextPair]:
    """Incidents of each kind, mixed."""
    chance = random.Random(seed)
    made = [incident(kind, chance) for kind in kinds for _ in range(number)]
    chance.shuffle(made)
    return [TextPair(one.error, f"{one.title}\n{one.text}") for one in made]


def incident_cases() -> list[Case]:
    """Of held-out kinds: an error, the fix of another incident, and its own."""
    chance = random.Random(7)
    cases = []
    for kind in HELD_OUT:
        for _ in range(NUM_HELD_OUT_OF_KIND):
            ours, other = incident(kind, chance), incident(kind, chance)
            cases.append(
                Case(ours.error, f"{other.title}\n{other.text}", f"{ours.title}\n{ours.text}")
            )
    return cases


def report_cases(pairs: Sequence[TextPair], tokenizer: HashedTokenizer) -> list[Case]:
    """Later reports whose text has names of other reports in the place of its own."""
    cases = []
    for index, pair in enumerate(pairs):
        others = [one.error for one in pairs[max(index - 9, 0) : index]]
        made = exercise(pair, others, tokenizer, random.Random(index), SHARED_ONLY)
        if made is not None and any(target is not None for target in made.targets):
            cases.append(Case(pair.error, made.draft.fix.text, pair.about))
    return cases


def taught(
    config: ModelConfig, tokenizer: HashedTokenizer, pairs: Sequence[TextPair]
) -> tuple[TrainedModel, dict[str, float]]:
    """A model whose decoder has seen these pairs once, and what that took."""
    model = TrainedModel.fresh(config, tokenizer)
    model.precision = measure_precision()
    model.rewriter = Rewriter.fresh(config.embedding_dim, seed=0)
    learning = RewriterLearning(model.rewriter)
    started = time.process_time()
    num_exercises = 0
    for step, first in enumerate(range(0, len(pairs), OF_STEP)):
        progress = learning.learn(pairs[first : first + OF_STEP], model, step)
        num_exercises += progress.num_exercises if progress else 0
    seconds = time.process_time() - started
    return model, {
        "exercises": num_exercises,
        "cpu_ms_an_exercise": round(1000 * seconds / max(num_exercises, 1), 1),
        **{name: round(value, 3) for name, value in model.rewriter.record.metrics().items()},
    }


def as_production(model: TrainedModel) -> Rewrite:
    """The model's decoder as the service calls it."""

    def rewrite(error: str, fix: str) -> Rewriting | None:
        found = model.rewrite(error, fix)
        if found is None:
            return None
        names = tuple(edit.name for edit in found.edits)
        return Rewriting(found.text, names, found.certainty)

    return rewrite


def by_first_of_kind(tokenizer: HashedTokenizer) -> Rewrite:
    """The plainest rewriting: the first name of the error that could stand there."""

    def rewrite(error: str, fix: str) -> Rewriting | None:
        made = draft(error, fix, tokenizer)
        if made is None:
            return None
        names: dict[str, str] = {}
        for slot in range(len(made.slots)):
            fitting = [
                made.candidate(column)
                for column in range(len(made.candidates))
                if made.allowed[slot, column] and made.candidate(column) not in names.values()
            ]
            if fitting:
                names[made.slot(slot)] = fitting[0]
        text = rewritten(fix, words_of(fix), names, fix.find("\n") + 1)
        return Rewriting(text, tuple(names.values()), 1.0)

    return rewrite


def generated(case: Case, rewrite: Rewrite, scrubber: Scrubber) -> str:
    """What the service would show: title, newline, text."""
    title, _, text = case.retrieved.partition("\n")
    fix = Fix(
        solution_id="retrieved",
        title=title,
        text=text,
        score=1.0,
        origin=FixOrigin.KNOWLEDGE,
        provenance=Provenance(url="urn:benchmark"),
        warnings=warnings(case.retrieved),
    )
    made = adapted_fix(fix, case.error, rewrite, scrubber)
    return f"{made.title}\n{made.text}"


def compared(cases: Sequence[Case], rewrite: Rewrite, scrubber: Scrubber) -> dict[str, Any]:
    """Both measures of the generated texts beside those of the retrieved ones."""
    started = time.process_time()
    texts = [generated(case, rewrite, scrubber) for case in cases]
    seconds = time.process_time() - started
    changed = [case for case, text in zip(cases, texts, strict=True) if text != case.retrieved]
    figures: dict[str, Any] = {
        "n": len(cases),
        "changed": len(changed),
        "equal_to_wanted": sum(
            text == case.wanted for case, text in zip(cases, texts, strict=True)
        ),
        "cpu_ms_a_fix": round(1000 * seconds / max(len(cases), 1), 1),
    }
    for name, measure in (("chrf", chrf), ("rouge_l", rouge_l)):
        before = [measure(_body(case.retrieved), _body(case.wanted)) for case in cases]
        after = [
            measure(_body(text), _body(case.wanted))
            for case, text in zip(cases, texts, strict=True)
        ]
        gains = [b - a for a, b in zip(before, after, strict=True)]
        figures[name] = {
            "retrieved": round(statistics.fmean(before), 2),
            "generated": round(statistics.fmean(after), 2),
            "gain": round(statistics.fmean(gains), 2),
            "standard_error": round(statistics.stdev(gains) / len(gains) ** 0.5, 2),
            "worse": sum(gain < 0 for gain in gains),
        }
    return figures


def _body(text: str) -> str:
    """Without the title, which is never rewritten."""
    return text.partition("\n")[2]


def untouched(cases: Iterable[Case], rewrite: Rewrite, scrubber: Scrubber) -> dict[str, int]:
    """How many texts that are right as they are get changed."""
    changed = [generated(case, rewrite, scrubber) != case.retrieved for case in cases]
    return {"n": len(changed), "changed": sum(changed)}


def starter_cases() -> list[Case]:
    """Errors as libraries word them, each with a starter fix, which names nobody's hosts."""
    held = {one.solution_id: one for one in starter_solutions()}
    return [
        Case(f"{asked.error_type}: {asked.message}", text, text)
        for asked in (*CALIBRATION, *ASKED_LATER)
        for answer in sorted(asked.answers)
        for text in [f"{held[answer].title}\n{held[answer].text}"]
    ]


def main() -> int:
    """Teaches, measures and keeps the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="the specification's encoder")
    parser.add_argument("--data", type=Path, default=DATA)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    scrubber = Scrubber()
    config = FULL if asked.full else SMALL
    tokenizer = HashedTokenizer(TokenizerConfig(config.vocab_size, config.max_sequence_length))
    incidents = incident_pairs(LEARNT, NUM_OF_KIND, seed=3)
    is_there = all((asked.data / name).exists() for name in FILES)
    earlier, later = reports(asked.data, scrubber) if is_there else ([], [])
    ways: dict[str, list[TextPair]] = {"taught by reports": earlier}
    both = [*earlier, *incidents]
    random.Random(5).shuffle(both)
    ways["taught by both"] = both
    sets = {"incidents": incident_cases(), "reports": report_cases(later, tokenizer)}
    right = [Case(pair.error, pair.about, pair.about) for pair in later]
    figures: dict[str, Any] = {"width": config.embedding_dim}
    plain = by_first_of_kind(tokenizer)
    figures["first of its kind"] = {
        name: compared(cases, plain, scrubber) for name, cases in sets.items() if cases
    }
    for name, pairs in ways.items():
        if not pairs:
            print(f"left out, for there are no reports in {asked.data}: {name}")
            continue
        model, teaching = taught(config, tokenizer, pairs)
        rewrite = as_production(model)
        figures[name] = {
            "teaching": teaching,
            **{each: compared(cases, rewrite, scrubber) for each, cases in sets.items() if cases},
            "right as they are": {
                "reports": untouched(right, rewrite, scrubber),
                "starter fixes": untouched(starter_cases(), rewrite, scrubber),
            },
        }
        print(name, figures[name], flush=True)
    keep("generation-full" if asked.full else "generation", figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
