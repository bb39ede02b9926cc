"""Sizes and places of a learning system, from the settings that the services read.

Reads no environment itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fixstream.inference.settings import InferenceSettings
from fixstream.schemas.limits import MAX_MESSAGE_BYTES
from fixstream.streams.settings import StreamsSettings
from fixstream.streams.window import WindowLimits
from fixstream.trainer.learner import LearnerConfig
from fixstream.trainer.service import learner_config, loop_config, signing_key_path
from fixstream.trainer.settings import LearningSettings, TrainerSettings
from fixstream.trainer.training import LoopConfig


@dataclass(frozen=True, slots=True)
class SystemConfig:
    """Sizes and places of one system."""

    learner: LearnerConfig
    loop: LoopConfig
    window: WindowLimits
    checkpoint_dir: str | Path
    """A folder or a URL."""
    signing_key: Path
    checkpoints_kept: int = 3
    min_confidence: float = 0.3
    max_event_bytes: int = MAX_MESSAGE_BYTES
    max_attempts: int = 3
    max_groups: int = 100_000

    @classmethod
    def from_settings(
        cls,
        trainer: TrainerSettings,
        learning: LearningSettings,
        streams: StreamsSettings,
        inference: InferenceSettings,
    ) -> SystemConfig:
        """What the services would run with.

        Raises:
            Misconfigured: the model's sizes do not fit together.
        """
        return cls(
            learner=learner_config(trainer, learning),
            loop=loop_config(trainer, learning),
            window=WindowLimits(
                streams.window_size,
                streams.window_max_bytes,
                streams.window_max_age_s,
                streams.window_max_offsets,
                streams.crawled_quota,
            ),
            checkpoint_dir=learning.checkpoint_dir,
            signing_key=signing_key_path(trainer, learning),
            checkpoints_kept=trainer.checkpoints_kept,
            min_confidence=inference.min_confidence,
            max_event_bytes=streams.max_event_bytes,
            max_attempts=streams.max_attempts,
            max_groups=streams.max_groups,
        )
