"""The report of a backtest: what it holds, and how it looks on a terminal.

Computes nothing: scores come from `scoring`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fixstream.cli.backtest.baselines import BALANCED, LINEAR, SENTENCE_LINEAR
from fixstream.cli.backtest.scoring import Scores
from fixstream.cli.backtest.searches import BM25, FUSED, SENTENCES
from fixstream.trainer.checkpoint import Counts
from fixstream.trainer.learner import LearnerConfig

HEADS = ("severity", "domain", "category")
OURS, MODEL, RULES, WIDE = "ours", "model", "rules", "wide"
"""The answer that callers get; the model's alone; the rules' alone; the model's linear path's."""
BM25_FIELDS = "bm25_fields"
DUPLICATES, FIXES = "duplicates", "fixes"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is told beside the scores."""

    num_records: int
    num_bad_lines: int
    num_dead_lettered: int
    num_unknown_originals: int
    """Duplicates of a record that the history does not hold before them; they are not scored."""
    learned_weight: float
    """What the learned similarity has earned in the end."""
    seconds: float
    counts: Counts
    config: LearnerConfig


def report(scores: Scores, facts: Facts) -> dict[str, Any]:
    """The whole report, ready for JSON."""
    board, model = scores.board, facts.config.model
    is_read = bool(model.sentence_encoder)
    linear = (LINEAR, BALANCED, *((SENTENCE_LINEAR,) if is_read else ()))
    searching = (BM25, BM25_FIELDS, *((SENTENCES, FUSED) if is_read else ()))
    return {
        "records": facts.num_records,
        "bad_lines": facts.num_bad_lines,
        "dead_lettered": facts.num_dead_lettered,
        "seconds": round(facts.seconds, 1),
        "scored_after_labelled": scores.scored_after,
        **board.of_labels(OURS, HEADS),
        DUPLICATES: {
            **board.of_ranks(OURS, DUPLICATES),
            "unknown_originals": facts.num_unknown_originals,
            "learned_weight": facts.learned_weight,
        },
        FIXES: board.of_ranks(OURS, FIXES),
        "baselines": {
            **{name: board.of_labels(name, HEADS) for name in linear},
            **{name: board.of_ranks(name, DUPLICATES) for name in searching},
        },
        "parts": {name: board.of_labels(name, HEADS) for name in (MODEL, WIDE, RULES)},
        "model": {
            "vocab_size": model.vocab_size,
            "embedding_dim": model.embedding_dim,
            "hidden_dim": model.hidden_dim,
            "num_heads": model.num_heads,
            "num_layers": model.num_layers,
            "sentence_encoder": model.sentence_encoder or None,
            "precision": facts.config.precision.value,
            "batch_size": facts.config.batch_size,
            "steps": facts.counts.steps,
            "examples_trained": facts.counts.trained,
            "examples_held_out": facts.counts.held_out,
        },
    }


def lines(result: dict[str, Any]) -> list[str]:
    """The report for people: one line a figure and its rivals."""
    bad, dead = result["bad_lines"], result["dead_lettered"]
    told = [
        f"{result['records']} records in {result['seconds']} s ({bad} bad lines, {dead} set aside)",
        f"scored after {result['scored_after_labelled']} labelled ones",
    ]
    baselines = result["baselines"]
    for head in HEADS:
        if result[head]["n"]:
            rivals = ", ".join(
                f"{name} {baselines[name][head]['macro_f1']}"
                for name in (LINEAR, BALANCED, SENTENCE_LINEAR)
                if name in baselines
            )
            told.append(
                f"{head}: macro-F1 {result[head]['macro_f1']} ({rivals}),"
                f" accuracy {result[head]['accuracy']},"
                f" calibration error {result[head]['calibration_error']}, n {result[head]['n']}"
            )
    found = result[DUPLICATES]
    if found["n"]:
        rivals = ", ".join(
            f"{name} {baselines[name]['recall_at_10']} / {baselines[name]['mrr']}"
            for name in (BM25, BM25_FIELDS, SENTENCES, FUSED)
            if name in baselines
        )
        told.append(
            f"duplicates: recall@10 {found['recall_at_10']}, MRR {found['mrr']} ({rivals}),"
            f" n {found['n']}"
        )
    return told
