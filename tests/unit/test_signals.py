"""Which signals end a program, and that they are as they were afterwards."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

import pytest

from spleeterrt.cli.terminal import CancelOnSignal
from spleeterrt.signals import Ending, SignalHandler

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")

NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]


class Recorder(SignalHandler):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def handle(self, number: int, frame: FrameType | None) -> None:
        self.seen.append(number)


def test_all_of_them_are_handled() -> None:
    before = [signal.getsignal(number) for number in NUMBERS]
    with Recorder() as recorder:
        for number in NUMBERS:
            os.kill(os.getpid(), number)
    assert recorder.seen == NUMBERS
    assert [signal.getsignal(number) for number in NUMBERS] == before


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT])
def test_what_nohup_has_set_stays(number: int) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with Recorder() as recorder:
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), signal.SIGTERM)
        assert recorder.seen == [signal.SIGTERM]
        assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_a_handler_in_a_handler() -> None:
    with Recorder() as outer:
        with Recorder() as inner:
            os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGHUP)
    assert (inner.seen, outer.seen) == ([signal.SIGHUP], [signal.SIGHUP])


@pytest.mark.parametrize("number", NUMBERS)
def test_an_ending_clears_up(number: int) -> None:
    with pytest.raises(KeyboardInterrupt), Ending():
        os.kill(os.getpid(), number)


def test_clearing_up_is_disturbed_by_ctrl_c_alone() -> None:
    with Ending() as ending:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGHUP)
        for number in (signal.SIGHUP, signal.SIGTERM):
            os.kill(os.getpid(), number)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        ending.over()
        os.kill(os.getpid(), signal.SIGINT)


def test_a_separation_is_given_up_at_once_by_a_second_ctrl_c_alone() -> None:
    with CancelOnSignal() as interruption:
        assert not interruption.is_set()
        for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM):
            os.kill(os.getpid(), number)
            assert interruption.is_set()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("number", NUMBERS)
def test_every_command_ends_so(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from spleeterrt import cli

    cleared = []

    def work(**_: object) -> None:
        try:
            os.kill(os.getpid(), number)
            raise AssertionError("not ended")
        finally:
            cleared.append(True)

    monkeypatch.setattr(cli.cli, "main", work)
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as ended:
        cli.main([])
    assert (ended.value.code, cleared) == (130, [True])
    assert capsys.readouterr().err == "Interrupted.\n"
    assert signal.getsignal(number) == before


def test_other_threads_leave_the_signals_alone() -> None:
    before = signal.getsignal(signal.SIGHUP)
    seen = []

    def run() -> None:
        with Recorder():
            seen.append(signal.getsignal(signal.SIGHUP))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]
