"""Standing back for other processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fixstream.runtime.priority import AUTOGROUP, stand_back

PROGRAM = """
import os, sys
from pathlib import Path
from fixstream.runtime.priority import stand_back
stand_back(7)
group = Path("/proc/self/autogroup")
print(os.nice(0), group.read_text().split()[-1] if group.exists() else "none")
"""


def test_process_and_its_session_are_lowered() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        start_new_session=True,
    )
    niceness, group = ran.stdout.split()
    assert niceness == "7"
    assert group == ("7" if AUTOGROUP.exists() else "none")


def test_kernel_without_autogroups_is_left_alone(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from fixstream.runtime.priority import stand_back;"
        f"stand_back(1, Path({str(tmp_path / 'autogroup')!r}))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert not (tmp_path / "autogroup").exists()


@pytest.mark.parametrize("niceness", [-1, 20])
def test_raising_a_priority_is_refused(niceness: int) -> None:
    with pytest.raises(ValueError, match="0 to 19"):
        stand_back(niceness)
