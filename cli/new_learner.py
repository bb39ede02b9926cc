"""A learner that has learnt nothing yet, as the settings of the trainer want it."""

from __future__ import annotations

import torch

from fixstream.runtime.settings import load_settings
from fixstream.trainer.learner import Learner
from fixstream.trainer.service import learner_config
from fixstream.trainer.settings import LearningSettings, TrainerSettings


def learner_from_settings() -> Learner:
    """Reads the environment; for commands that train outside of the trainer's service."""
    settings = load_settings(TrainerSettings)
    if settings.num_threads:
        torch.set_num_threads(settings.num_threads)
    return Learner(learner_config(settings, load_settings(LearningSettings)))
