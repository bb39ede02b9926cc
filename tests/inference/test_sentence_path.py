"""A model that learnt with a sentence encoder answers with it, and without it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fixstream.inference import loading
from fixstream.inference.loading import CheckpointLoader, LoaderConfig
from fixstream.inference.served import ErrorText
from fixstream.schemas.errors import Misconfigured
from support.inference import TINY, Publisher
from support.sentences import WIDTH, Letters

READING = replace(TINY, sentence_encoder="letters", sentence_width=WIDTH)


@pytest.mark.parametrize(("digest", "is_read"), [("letters", True), ("others", False)])
def test_the_encoder_is_used_if_it_is_the_one(
    digest: str, is_read: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Letters(digest)
    monkeypatch.setattr(loading, "Sentences", lambda _: encoder)
    publisher = Publisher(tmp_path, READING)
    config = LoaderConfig("float32", sentence_encoder=tmp_path / "encoder")
    loader = CheckpointLoader(publisher.store, tmp_path / "keys", config)
    update = publisher.promote(1)
    loader.verify(update)
    with capture_logs() as logs:
        served = loader.load(update)
    before = encoder.num_read
    assert len(served.predict([ErrorText("timed out")])) == 1
    assert encoder.num_read - before == int(is_read)
    told = [log for log in logs if log["event"] == "the model answers without its sentence path"]
    assert [log["held"] for log in told] == ([] if is_read else ["others"])


def test_an_encoder_that_is_not_there_is_told_at_the_start(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path)
    config = LoaderConfig(sentence_encoder=tmp_path / "no-encoder")
    with pytest.raises(Misconfigured, match="no folder of a sentence-transformers model"):
        CheckpointLoader(publisher.store, tmp_path / "keys", config)
