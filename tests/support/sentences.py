"""A stand-in for a frozen sentence encoder, so that a test needs no library."""

from __future__ import annotations

import numpy as np

from fixstream.trainer.features import ErrorText
from fixstream.trainer.sentences import Sentences

WIDTH = 6


class Letters(Sentences):
    """Counts a few letters of a message."""

    def __init__(self, digest: str = "letters") -> None:
        self.digest = digest
        self.width = WIDTH
        self.num_read = 0

    def read(self, text: ErrorText) -> bytes:
        self.num_read += 1
        counts = np.array([text.message.count(letter) for letter in "acdmrt"], np.float32)
        return (counts / max(float(np.linalg.norm(counts)), 1.0)).astype("<f2").tobytes()
