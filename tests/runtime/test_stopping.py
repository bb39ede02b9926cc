"""A stop request by signal, by call, and twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from fixstream.runtime.stopping import StopSignal


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_a_stop_request(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopSignal() as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), number)
        assert stop.wait(10)
        assert stop.is_set()
    assert signal.getsignal(number) is before


def test_the_handlers_come_back_without_a_signal() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with StopSignal():
        assert signal.getsignal(signal.SIGTERM) is not before[0]
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_waiting_ends_at_its_deadline() -> None:
    stop = StopSignal()
    assert not stop.wait(0.01)
    assert not stop.is_set()


def test_everybody_who_waits_hears_of_it() -> None:
    stop = StopSignal()
    heard: list[bool] = []
    threads = [threading.Thread(target=lambda: heard.append(stop.wait(10))) for _ in range(5)]
    for thread in threads:
        thread.start()
    stop.set()
    stop.set()
    for thread in threads:
        thread.join(10)
    assert heard == [True] * 5


def test_one_request_wakes_all_who_looked_just_before_it() -> None:
    stop = StopSignal()
    stop.set()
    stop._is_set = False  # As each of them saw it.
    assert [stop.wait(0) for _ in range(3)] == [True] * 3


def test_a_signal_interrupts_a_wait() -> None:
    with StopSignal() as stop:
        timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM))
        timer.start()
        assert stop.wait(10)
        timer.join()


def test_in_another_thread_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[object] = []

    def enter() -> None:
        with StopSignal():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join(10)
    assert seen == [before]


def test_a_second_signal_ends_a_service_that_hangs() -> None:
    code = (
        "import os, signal\n"
        "from fixstream.runtime.stopping import StopSignal\n"
        "with StopSignal() as stop:\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    assert stop.wait(10)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    signal.pause()\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], check=False, timeout=30)
    assert ended.returncode == -signal.SIGTERM
