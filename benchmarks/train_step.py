"""How fast a full-size training step is, beside a plain loop on the same texts in the same minutes.

    python benchmarks/train_step.py [HISTORY.jsonl[.gz]] [--steps 8] [--threads 2]

The plain loop is what one would write first: `nn.TransformerEncoder` in float32, every text padded
to 128 tokens, dense AdamW, gradients clipped. Ours is `Learner.learn`, wide path and mixture
included. Both see the same texts, cut to 128 tokens, in the same batches, alternating. Only real
tokens count. Times are CPU times, for others may work here: with one thread they are what a calm
machine's clock would say. Losses are the category head's, on each batch before it is trained on,
dropout included; both move at the plain loop's constant rate, from random weights. What is to be
learnt is told by the first word of a text. Without a file the texts are made up, with lengths like
those of real error reports.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import resource
import statistics
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from reporting import keep
from torch import Tensor, nn

from fixstream.schemas.enums import LabelSource
from fixstream.schemas.records import Label, Labels, TrainingExample
from fixstream.trainer.examples import NO_SOLUTION, LearningExample, learning_example
from fixstream.trainer.features import cropped
from fixstream.trainer.learner import SPARSE_PARAMETERS, Learner, LearnerConfig
from fixstream.trainer.network import HEADS, ErrorLearningModel
from fixstream.trainer.optimizer import AdamOptimizerWithWarmup, OptimizerConfig
from fixstream.trainer.pace import PaceConfig
from fixstream.trainer.precision import Precision, measure_precision
from fixstream.trainer.step import StepBatch, train_step

MAX_TOKENS = 128
BATCH_SIZE = 32
RATE = 1e-4


class PlainModel(nn.Module):
    """The specification's network as PyTorch's own layers give it."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(50_000, 512, padding_idx=0)
        self.positions = nn.Embedding(MAX_TOKENS, 512)
        layer = nn.TransformerEncoderLayer(512, 8, 1024, 0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 6, enable_nested_tensor=False)
        self.heads = nn.ModuleList(nn.Linear(512, len(classes)) for classes in HEADS.values())

    def forward(self, ids: Tensor) -> list[Tensor]:
        """[B, 128] -> per head [B, classes]."""
        padding = ids == 0
        x = self.tokens(ids) + self.positions.weight
        x = self.encoder(x, src_key_padding_mask=padding)
        real = (~padding)[:, :, None]
        pooled = (x * real).sum(1) / real.sum(1)
        return [head(pooled) for head in self.heads]


class PlainLoop:
    """Model, dense AdamW and the step that one would write first."""

    def __init__(self) -> None:
        self.model = PlainModel()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=RATE)

    def step(self, examples: Sequence[LearningExample]) -> float:
        """One step on examples that are padded to 128 tokens; returns the first head's loss."""
        ids = torch.zeros(len(examples), MAX_TOKENS, dtype=torch.int64)
        for row, example in enumerate(examples):
            tokens = cropped(example.encoded, MAX_TOKENS).token_ids
            ids[row, : len(tokens)] = torch.tensor(tokens)
        classes = torch.tensor([example.classes for example in examples])
        logits = self.model(ids)
        loss = torch.stack(
            [F.cross_entropy(values, classes[:, index]) for index, values in enumerate(logits)]
        ).sum()
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return category_loss(logits[0], examples)


def category_loss(logits: Tensor, examples: Sequence[LearningExample]) -> float:
    """The mean loss of the first head, whose labels are never shown to the network as hints."""
    wanted = torch.tensor([example.classes[0] for example in examples])
    return F.cross_entropy(logits.detach().float(), wanted).item()


def texts(path: Path | None, count: int) -> Iterator[tuple[str | None, str, str | None]]:
    """Type, message and trace of `count` errors."""
    if path is None:
        yield from (made_up(random.Random(number)) for number in range(count))
        return
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    step = max(len(records) // count, 1)
    for record in records[::step][:count]:
        yield record["error_type"], record["message"], record["stack_trace"]


def made_up(draw: random.Random) -> tuple[str | None, str, str | None]:
    """An error whose length is spread like those of real reports (median some 70 tokens)."""
    words = ["connection", "refused", "timeout", "order", "shard", "retry", "quota", "after"]
    length = min(int(draw.lognormvariate(3.6, 0.9)), 200)
    message = " ".join(f"{draw.choice(words)}{draw.randrange(40)}" for _ in range(length // 2))
    frames = [f"File app/{draw.choice(words)}.py in call" for _ in range(draw.randrange(12))]
    return "app.errors.RemoteError", message, "\n".join(frames) if draw.random() < 0.4 else None


def examples_of(path: Path | None, learner: Learner, count: int) -> list[LearningExample]:
    """Encoded examples, whose classes hang on the letters that their text begins with."""
    found = []
    for number, (error_type, message, trace) in enumerate(texts(path, count)):
        told = zlib.crc32(re.split("[^a-z]", message.lower(), maxsplit=1)[0].encode())
        labels = [
            Label(classes[told % len(classes)], LabelSource.RULE, 1.0) for classes in HEADS.values()
        ]
        example = TrainingExample(
            event_id=str(number),
            fingerprint=str(number % 50),
            error_type=error_type,
            message=message or "empty",
            stack_trace=trace,
            labels=Labels(category=labels[0], domain=labels[1], severity=labels[2]),
        )
        found.append(learning_example(example, learner.tokenizer))
    return found


def matrix_rate(size: int = 2048) -> float:
    """GFLOP in a second of CPU time of a bfloat16 product [size, size] x [size, size]."""
    left, right = (torch.ones(size, size, dtype=torch.bfloat16) for _ in range(2))
    started = time.process_time()
    left @ right
    return 2 * size**3 / (time.process_time() - started) / 1e9


def work_of_step(learner: Learner, num_tokens: int) -> float:
    """GFLOP of the layers' products for real tokens, there and back; attention is left out."""
    layers = learner.model.network.layers.parameters()
    return 6 * num_tokens * sum(weight.numel() for weight in layers if weight.dim() == 2) / 1e9


def main() -> None:
    """Runs both loops, alternating, and prints medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("history", nargs="?", type=Path)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--losses", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    precision = measure_precision()
    if arguments.losses:
        keep("train_step-losses", compared_losses(arguments.history, arguments.losses, precision))
        return
    learner = Learner(
        LearnerConfig(
            optimizer=OptimizerConfig(peak_rate=RATE, warmup_steps=1),
            pace=PaceConfig(first_blocks=arguments.steps + 1),  # The network never rests.
            precision=precision,
            max_training_tokens=MAX_TOKENS,
        )
    )
    plain = PlainLoop()
    examples = examples_of(arguments.history, learner, (arguments.steps + 1) * BATCH_SIZE)
    seconds: dict[str, list[float]] = {"ours": [], "plain": []}
    tokens, shares = [], []
    matrix_rate()
    for first in range(0, len(examples), BATCH_SIZE):
        batch = examples[first : first + BATCH_SIZE]
        started = time.process_time()
        learnt = learner.learn(batch)
        between = time.process_time()
        plain.step(batch)
        assert learnt.result is not None, "the network took no step"
        if first > 0:  # The first batch warms both up.
            seconds["ours"].append(between - started)
            seconds["plain"].append(time.process_time() - between)
            tokens.append(learnt.result.num_tokens)
            work = work_of_step(learner, tokens[-1])
            rate = max(matrix_rate() for _ in range(3))  # Beside each step.
            shares.append(work / seconds["ours"][-1] / rate)
    report(precision.value, seconds, tokens, shares)


def compared_losses(path: Path | None, num_steps: int, precision: Precision) -> dict[str, Any]:
    """Means over each quarter of the steps."""
    config = LearnerConfig()
    examples = examples_of(path, Learner(config), num_steps * BATCH_SIZE)
    network = ErrorLearningModel.initialised(config.model, config.seed)
    schedule = OptimizerConfig(peak_rate=RATE, warmup_steps=1)
    optimizer = AdamOptimizerWithWarmup(network.named_parameters(), SPARSE_PARAMETERS, schedule)
    plain = PlainLoop()
    generator = torch.Generator().manual_seed(0)
    losses: dict[str, list[float]] = {"ours": [], "plain": []}
    for first in range(0, len(examples), BATCH_SIZE):
        batch = examples[first : first + BATCH_SIZE]
        step = StepBatch(
            encoded=[cropped(example.encoded, MAX_TOKENS) for example in batch],
            classes=torch.tensor([example.classes for example in batch]),
            weights=torch.ones(len(batch), len(HEADS)),
            groups=torch.arange(len(batch)),
            solutions=torch.full((len(batch),), NO_SOLUTION),
        )
        result = train_step(network, optimizer, step, generator, precision)
        losses["ours"].append(category_loss(result.logits["category"], batch))
        losses["plain"].append(plain.step(batch))
    quarter = max(num_steps // 4, 1)
    return {
        "precision": precision.value,
        "steps": num_steps,
        **{
            f"{name}_loss_by_quarter": [
                round(statistics.mean(found[at : at + quarter]), 3)
                for at in range(0, quarter * 4, quarter)
            ]
            for name, found in losses.items()
        },
    }


def report(
    precision: str,
    seconds: dict[str, list[float]],
    tokens: list[int],
    shares: list[float],
) -> None:
    """Medians over the steps; the ratio is the median of the ratios of neighbouring steps."""
    mean_tokens = statistics.mean(tokens)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    keep(
        "train_step",
        {
            "precision": precision,
            "threads": torch.get_num_threads(),
            "steps": len(tokens),
            "real_tokens_a_step": round(mean_tokens),
            "padded_tokens_a_step": BATCH_SIZE * MAX_TOKENS,
            **{f"{name}_ms_a_step": round(1000 * s) for name, s in medians.items()},
            **{f"{name}_tokens_per_s": round(mean_tokens / s) for name, s in medians.items()},
            **{
                f"{name}_examples_per_min": round(60 * BATCH_SIZE / s)
                for name, s in medians.items()
            },
            "share_of_bfloat16_matrix_rate": round(statistics.median(shares), 3),
            "share_by_step": [round(share, 3) for share in shares],
            "times_as_fast": round(statistics.median(ratios(seconds)), 2),
            "times_as_fast_by_step": [round(ratio, 2) for ratio in ratios(seconds)],
            "peak_memory_of_both_gb": round(
                resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2
            ),
        },
    )


def ratios(seconds: dict[str, list[float]]) -> list[float]:
    """The ratio of each pair of neighbouring steps."""
    return [plain / ours for plain, ours in zip(seconds["plain"], seconds["ours"], strict=True)]


if __name__ == "__main__":
    main()
