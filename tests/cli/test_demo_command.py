"""The demo's own arguments and folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixstream.cli.demo.command import parse_duration
from fixstream.cli.demo.session import prepare_data_dir
from fixstream.schemas.errors import Misconfigured


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("90", 90), ("60s", 60), ("1.5m", 90), (" 1h ", 3600)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-3s", "3d", "3 m s"])
def test_other_texts_are_refused_by_name(text: str) -> None:
    with pytest.raises(Misconfigured, match="--for takes a duration"):
        parse_duration(text)


def test_folder_of_a_former_demo_is_emptied(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    prepare_data_dir(folder)
    (folder / "old").touch()
    prepare_data_dir(folder)
    assert not (folder / "old").exists()


def test_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(Misconfigured, match="no demo made"):
        prepare_data_dir(tmp_path)
    assert (tmp_path / "thesis.txt").exists()
