"""What one process of several computes, written down: started by torchrun in the tests.

`python -m torch.distributed.run ... two_processes.py WHAT FOLDER`; alone, it is the whole batch.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from fixstream.trainer.examples import learning_example
from fixstream.trainer.features import ErrorText
from fixstream.trainer.leading import LeadingStep, follow
from fixstream.trainer.learner import SPARSE_PARAMETERS, Learner, LearnerConfig
from fixstream.trainer.optimizer import OptimizerConfig
from fixstream.trainer.pairs import TrainingPair
from fixstream.trainer.passages import PastError, corpus_of
from fixstream.trainer.pretraining import Pretraining, PretrainingConfig
from fixstream.trainer.processes import Processes, meeting
from fixstream.trainer.step import train_step
from support.training import TINY_LEARNER, training_example

NUM_STEPS = 6
CONFIG: LearnerConfig = replace(
    TINY_LEARNER,
    # Without dropout, for processes drop other units; and with an epsilon above the rounding of
    # sums: Adam would make whole steps of gradients that are nothing but rounding.
    model=replace(TINY_LEARNER.model, dropout=0.0),
    optimizer=OptimizerConfig(warmup_steps=2, peak_rate=0.01, epsilon=1e-4),
)


def learn(processes: Processes, folder: Path) -> None:
    """The learner's steps: the first process leads, the others follow."""
    if not processes.is_first:
        follow(processes, CONFIG.model, CONFIG.optimizer, SPARSE_PARAMETERS, CONFIG.device)
        return
    leading = LeadingStep(processes)
    learner = Learner(CONFIG, train_step if processes.is_alone else leading)
    totals = []
    for step in range(NUM_STEPS):
        # The last step has fewer rows than there are processes.
        numbers = range(step * 7, step * 7 + 7) if step + 1 < NUM_STEPS else range(99, 100)
        examples = [learning_example(training_example(n), learner.tokenizer) for n in numbers]
        pairs = [TrainingPair("refused", "open the port"), TrainingPair("a", "b", 1.0, False)]
        learnt = learner.learn(examples, pairs=pairs if step == 1 else ())
        assert learnt.result is not None
        totals.append(learnt.result.losses["total"])
    if not processes.is_alone:
        leading.end()
    _write(folder, learner, totals)


def pretrain(processes: Processes, folder: Path) -> None:
    """The steps of pre-training, which all processes draw alike."""
    learner = Learner(CONFIG)
    errors = [
        PastError(f"e{n}", ErrorText(f"case {n}\nof topic {n % 3} on node {n * 5}"), f"g{n % 6}")
        for n in range(14)
    ]
    corpus = corpus_of(errors, learner.tokenizer, 32)
    config = PretrainingConfig(epochs=3, batch_size=7, peak_rate=0.01, num_negatives=32)
    totals: list[float] = []
    training = Pretraining(learner, corpus, config, processes=processes)
    training.optimizer.config = replace(training.optimizer.config, epsilon=1e-4)
    training.run(on_progress=lambda progress: totals.append(sum(progress.losses.values())))
    if processes.is_first:
        _write(folder, learner, totals)


def _write(folder: Path, learner: Learner, totals: list[float]) -> None:
    weights = {name: tensor.contiguous() for name, tensor in learner.model.tensors().items()}
    save_file({**weights, "totals": torch.tensor(totals)}, folder / "result.safetensors")


def main() -> None:
    """Runs the task that the arguments name."""
    torch.set_num_threads(1)
    _, task, folder = sys.argv
    with meeting() as processes:
        {"learn": learn, "pretrain": pretrain}[task](processes, Path(folder))
    threads = [comm.read_text().strip() for comm in Path("/proc/self/task").glob("*/comm")]
    left = [name for name in threads if "gloo" in name]
    if left:
        raise SystemExit(f"threads of the process group outlive it: {left}")


if __name__ == "__main__":
    main()
