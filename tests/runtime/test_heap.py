"""The heap's settings take effect where the C library is glibc, read from the library itself."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys

import pytest

from fixstream.runtime.heap import keep_large_blocks_apart, share_one_heap

# A process of its own, because the setting cannot be taken back.
LARGE_BLOCKS_AFTER_A_LARGER_ONE_WAS_FREED = """
import ctypes
from fixstream.runtime.heap import keep_large_blocks_apart

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
        ("arena", "small", "smblks", "num_mapped", "mapped", "a", "b", "used", "free", "top")]

library = ctypes.CDLL(None)
library.mallinfo2.restype = Info
assert keep_large_blocks_apart()
bytearray(8 << 20)
before = library.mallinfo2().num_mapped
kept = [bytearray(1 << 20) for _ in range(5)]
print(library.mallinfo2().num_mapped - before)
"""


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallinfo2"),
    reason="only a recent glibc tells how it keeps blocks",
)
def test_large_blocks_stay_apart_after_a_larger_one_was_freed() -> None:
    found = subprocess.run(
        [sys.executable, "-c", LARGE_BLOCKS_AFTER_A_LARGER_ONE_WAS_FREED],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "5"


def test_another_platform_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_large_blocks_apart()
    assert not share_one_heap()


def test_glibc_takes_the_setting_of_one_heap_and_others_are_left_alone() -> None:
    code = "from fixstream.runtime.heap import share_one_heap; print(share_one_heap())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str(platform.libc_ver()[0] == "glibc")
