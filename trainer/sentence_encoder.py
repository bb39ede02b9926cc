"""A frozen sentence encoder, given by path: what pre-training may learn likeness from.

It needs the extra `sentences`. Nothing is fetched: a name that is no folder is refused. The encoder
is not trained, not kept, and not needed by whoever uses what learnt from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from fixstream.schemas.errors import Misconfigured
from fixstream.trainer.wide import Floats

_AT_ONCE = 64
_MAX_CHARS = 4_000
"""What comes later is beyond what such encoders read, and would only cost time to cut up."""


class SentenceEncoder:
    """One loaded model of the sentence-transformers library."""

    def __init__(self, path: Path) -> None:
        """Loads it.

        Raises:
            Misconfigured: the library is not installed, or the folder holds no such model.
        """
        if not (path / "modules.json").is_file():
            raise Misconfigured(f"{path} is no folder of a sentence-transformers model")
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            raise Misconfigured(
                "a sentence encoder needs the extra: pip install 'fixstream[sentences]'"
            ) from None
        try:
            self._model = SentenceTransformer(str(path), device="cpu", local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise Misconfigured(f"the sentence encoder {path} cannot be loaded: {error}") from None

    def embed(
        self, texts: Sequence[str], on_progress: Callable[[int], None] = lambda _: None
    ) -> Floats:
        """Embeddings [texts, width] of unit norm; `on_progress` hears how many are done."""
        parts = []
        for first in range(0, len(texts), _AT_ONCE):
            some = [text[:_MAX_CHARS] for text in texts[first : first + _AT_ONCE]]
            found = self._model.encode(some, normalize_embeddings=True, show_progress_bar=False)
            parts.append(np.asarray(found, np.float32))
            on_progress(first + len(some))
        return np.concatenate(parts)
