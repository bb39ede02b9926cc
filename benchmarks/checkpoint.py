"""How long a checkpoint holds up a full-size training, and how much memory both take.

    python benchmarks/checkpoint.py [HISTORY.jsonl[.gz]] [--steps 32] [--threads 2]

Ours is the trainer's own loop with a folder on the disk and a validation set of 256: what is timed
is the turn of the loop that begins a checkpoint, without its step. The plain loop is that of
`train_step.py`, which writes weights and moments between two steps. Each runs in a process of its
own, for its peak of memory. CPU time is told beside: it does not hang on who else works here.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from reporting import keep
from train_step import BATCH_SIZE, MAX_TOKENS, PlainLoop, examples_of

from fixstream.runtime.clock import SystemClock
from fixstream.runtime.heap import share_one_heap
from fixstream.trainer.candidate import Start
from fixstream.trainer.checkpoint import FolderCheckpointStore, SigningKey
from fixstream.trainer.examples import LearningExample
from fixstream.trainer.learner import Learner, LearnerConfig
from fixstream.trainer.ledger import Ledger
from fixstream.trainer.precision import measure_precision
from fixstream.trainer.recorder import CheckpointRecorder
from fixstream.trainer.training import LoopConfig, TrainingLoop

EVERY_STEPS = 8
NUM_HELD_OUT = 256


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds by the clock, and of this thread's CPU time."""
    wall, cpu = time.perf_counter(), time.thread_time()
    work()
    return 1000 * (time.perf_counter() - wall), 1000 * (time.thread_time() - cpu)


def ours(history: Path | None, num_steps: int) -> dict[str, Any]:
    """The trainer's loop; the learner is stepped by hand, so that no broker is needed."""
    learner = Learner(LearnerConfig(precision=measure_precision(), max_training_tokens=MAX_TOKENS))
    examples = examples_of(history, learner, num_steps * BATCH_SIZE + NUM_HELD_OUT)
    for example in examples[-NUM_HELD_OUT:]:
        learner.validation.add(example, "benchmark")
    with tempfile.TemporaryDirectory() as folder:
        store = FolderCheckpointStore(Path(folder) / "models")
        key = SigningKey.load_or_create(Path(folder) / "keys" / "signing.pem")
        recorder = CheckpointRecorder(store, key, lambda _: None, num_kept=2)
        loop = TrainingLoop(
            learner, Ledger(), recorder, lambda *_: None, SystemClock(), LoopConfig()
        )
        loop.begin(Start())
        stalls, steps, busy = _run(learner, loop, recorder, examples, num_steps)
        recorder.close()
    return figures(stalls, steps) | {"step_ms_while_recording": rounded_median(busy)}


def _run(
    learner: Learner,
    loop: TrainingLoop,
    recorder: CheckpointRecorder,
    examples: Sequence[LearningExample],
    num_steps: int,
) -> tuple[list[tuple[float, float]], list[float], list[float]]:
    stalls: list[tuple[float, float]] = []
    steps: list[float] = []
    busy: list[float] = []
    for number in range(num_steps):
        batch = examples[number * BATCH_SIZE : (number + 1) * BATCH_SIZE]
        was_busy = recorder.is_busy
        (busy if was_busy else steps).append(timed(partial(learner.learn, batch))[0])
        loop.advance()  # Takes up what was recorded.
        if number % EVERY_STEPS == EVERY_STEPS - 1:
            loop.finish(120.0)
            stalls.append(timed(loop.begin_checkpoint))
    loop.finish(120.0)
    return stalls, steps, busy


def plain(history: Path | None, num_steps: int) -> dict[str, Any]:
    """The loop that one would write first."""
    examples = examples_of(history, Learner(LearnerConfig()), num_steps * BATCH_SIZE)
    loop = PlainLoop()
    stalls: list[tuple[float, float]] = []
    steps: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(num_steps):
            batch = examples[number * BATCH_SIZE : (number + 1) * BATCH_SIZE]
            steps.append(timed(partial(loop.step, batch))[0])
            if number % EVERY_STEPS == EVERY_STEPS - 1:
                stalls.append(timed(partial(_write, loop, Path(folder) / "checkpoint")))
    return figures(stalls, steps)


def _write(loop: PlainLoop, path: Path) -> None:
    moments = {
        f"{number}.{name}": value
        for number, state in enumerate(loop.optimizer.state.values())
        for name, value in state.items()
    }
    safetensors.torch.save_file({**loop.model.state_dict(), **moments}, path)


def figures(stalls: Sequence[tuple[float, float]], steps: Sequence[float]) -> dict[str, Any]:
    """What both report."""
    return {
        "longest_stall_ms": round(max(wall for wall, _ in stalls), 1),
        "stalls_ms": [round(wall, 1) for wall, _ in stalls],
        "stalls_cpu_ms": [round(cpu, 1) for _, cpu in stalls],
        "step_ms": rounded_median(steps),
        "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
    }


def rounded_median(values: Sequence[float]) -> float | None:
    """None where there is nothing."""
    return round(statistics.median(values), 1) if values else None


def main() -> None:
    """Runs both, one after the other, and keeps what they say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("history", nargs="?", type=Path)
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--of", choices=("ours", "plain"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.of:
        torch.set_num_threads(asked.threads)
        share_one_heap()  # As the service does, and the next line too.
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
        print(json.dumps({"ours": ours, "plain": plain}[asked.of](asked.history, asked.steps)))
        return
    found = {}
    for name in ("ours", "plain"):
        told = subprocess.run(
            [sys.executable, *sys.argv, "--of", name], check=True, stdout=subprocess.PIPE
        )
        found[name] = json.loads(told.stdout.splitlines()[-1])  # Before it, the log.
    keep("checkpoint", {"threads": asked.threads, "steps": asked.steps, **found})


if __name__ == "__main__":
    main()
