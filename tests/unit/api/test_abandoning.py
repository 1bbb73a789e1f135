"""The thread in which requests are made."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from sync.api import abandoning
from sync.api.abandoning import Abandoned, RequestThread
from sync.stop import Stop


@pytest.fixture
def stop() -> Stop:
    return Stop()


@pytest.fixture
def thread(stop: Stop) -> Iterator[RequestThread]:
    made = RequestThread(stop)
    yield made
    made.close()


def test_one_thread_makes_all_requests_until_it_is_closed(thread: RequestThread) -> None:
    first, second = (thread.do(threading.current_thread) for _ in range(2))

    thread.close()
    first.join()
    third = thread.do(threading.current_thread)

    assert first is second
    assert first is not threading.current_thread()
    assert third is not first


def test_what_a_request_raises_is_raised_to_who_waits(thread: RequestThread) -> None:
    def fail() -> None:
        raise ValueError("no answer")

    with pytest.raises(ValueError, match="no answer"):
        thread.do(fail)

    assert thread.do(lambda: "an answer") == "an answer"


def test_after_a_stop_an_answer_that_does_not_come_is_left_behind(
    thread: RequestThread, stop: Stop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(abandoning, "PATIENCE", timedelta(seconds=0.2))
    comes_late = threading.Event()
    stop.request()

    with pytest.raises(Abandoned):
        thread.do(comes_late.wait)

    # What is asked after it doesn't wait behind it.
    assert thread.do(lambda: "an answer") == "an answer"
    comes_late.set()
