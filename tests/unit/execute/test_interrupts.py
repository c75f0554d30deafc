"""Signals wait for the end of what must not be torn."""

import os
import signal
import threading

import pytest

from unmix4d.execute.interrupts import SIGNALS, interrupts_later


def test_ctrl_c_comes_when_the_work_is_over():
    reached = []
    with pytest.raises(KeyboardInterrupt):
        with interrupts_later():
            os.kill(os.getpid(), signal.SIGINT)
            reached.append("end")
        reached.append("after")
    assert reached == ["end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_someone_else_is_called_afterwards():
    calls = []
    before = {number: signal.signal(number, lambda which, _: calls.append(which)) for number in SIGNALS}
    try:
        with interrupts_later():
            for number in SIGNALS:
                os.kill(os.getpid(), number)
            assert calls == []
        assert sorted(calls) == sorted(SIGNALS)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_an_error_within_passes_and_handlers_are_back():
    with pytest.raises(ValueError, match="mine"), interrupts_later():
        raise ValueError("mine")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_are_left_alone():
    seen = []

    def work():
        with interrupts_later():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
