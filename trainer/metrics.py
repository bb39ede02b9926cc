"""What the trainer tells Prometheus."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import Counter, Gauge, Histogram

from fixstream.trainer.drift import SignalState
from fixstream.trainer.learner import Learnt

STEPS = Counter("fixstream_trainer_steps_total", "Optimizer steps of this process.")
EXAMPLES = Counter(
    "fixstream_trainer_examples_total",
    "Examples by what became of them (trained, held_out, skipped, set_aside, replayed; and of "
    "texts in quarantine: quarantined, released, dropped).",
    ["outcome"],
)
QUARANTINED = Gauge(
    "fixstream_trainer_quarantined_examples", "Examples that wait for the end of their quarantine."
)
LOSS = Gauge("fixstream_trainer_loss", "Loss of the last step, by head, and in total.", ["head"])
RATE = Gauge("fixstream_trainer_learning_rate", "Learning rate of the last step.")
TOKENS = Counter("fixstream_trainer_tokens_total", "Real tokens trained on, replay included.")
STEP_SECONDS = Histogram(
    "fixstream_trainer_step_seconds",
    "Duration of a step.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16),
)
TOKENS_PER_SECOND = Gauge("fixstream_trainer_tokens_per_second", "Real tokens of the last step.")
SNAPSHOT_SECONDS = Gauge(
    "fixstream_trainer_snapshot_seconds", "How long the last checkpoint held the steps up."
)
CHECKPOINT_SECONDS = Gauge(
    "fixstream_trainer_checkpoint_seconds", "How long the last checkpoint took to write."
)
CHECKPOINTS = Counter(
    "fixstream_trainer_checkpoints_total",
    "Checkpoints by outcome (promoted, rejected, failed).",
    ["outcome"],
)
WAITING = Gauge("fixstream_trainer_waiting_examples", "Examples read but not learnt from yet.")
VERSION = Gauge("fixstream_trainer_model_version", "Version of the last published update.")
DRIFT_MEAN = Gauge(
    "fixstream_trainer_drift_mean",
    "What the stream is like at present, by signal; of labels, the share of the most frequent one.",
    ["signal"],
)
DRIFT_WIDTH = Gauge(
    "fixstream_trainer_drift_width", "Values since the stream last changed, by signal.", ["signal"]
)
DRIFTS = Gauge(
    "fixstream_trainer_drift_detections",
    "How often the stream was found to have changed, since the very first start.",
    ["signal"],
)
SCORE = Gauge(
    "fixstream_trainer_score", "Scores on the stream, and what paths have earned.", ["name"]
)
BAD_MESSAGES = Counter(
    "fixstream_trainer_bad_messages_total", "Messages set aside as dead letters.", ["error_class"]
)


def count_step(learnt: Learnt, seconds: float) -> None:
    """Shows one step."""
    STEPS.inc()
    EXAMPLES.labels("trained").inc(learnt.num_new)
    EXAMPLES.labels("replayed").inc(learnt.num_replayed)
    if learnt.result is None:  # The network rested.
        return
    TOKENS.inc(learnt.result.num_tokens)
    STEP_SECONDS.observe(seconds)
    TOKENS_PER_SECOND.set(learnt.result.num_tokens / max(seconds, 1e-9))
    RATE.set(learnt.rate)
    for head, loss in learnt.result.losses.items():
        LOSS.labels(head).set(loss)


def show_drift(signals: Mapping[str, SignalState]) -> None:
    """Shows what the drift monitor sees."""
    for name, signal in signals.items():
        DRIFT_MEAN.labels(name).set(signal.mean)
        DRIFT_WIDTH.labels(name).set(signal.width)
        DRIFTS.labels(name).set(signal.num_detections)


def show_scores(metrics: Mapping[str, float]) -> None:
    """Shows the scores of a checkpoint."""
    for name, value in metrics.items():
        SCORE.labels(name).set(value)
