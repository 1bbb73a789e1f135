"""Items that are made while the one before is worked on."""

import threading
from collections.abc import Iterator

import pytest
import structlog

from sync.ahead import Beforehand, one_ahead


def test_one_is_made_while_another_is_worked_on_and_no_more() -> None:
    made: list[int] = []
    again = threading.Semaphore(0)

    def items() -> Iterator[int]:
        for number in range(5):
            made.append(number)
            yield number
            again.release()

    got = []
    for number in one_ahead(items()):
        got.append(number)
        assert again.acquire(timeout=60)  # the next one is asked for by now, beside this one
        assert len(made) <= number + 2
    assert got == list(range(5))


def test_what_making_one_raises_is_raised_in_its_turn() -> None:
    def items() -> Iterator[str]:
        yield "first"
        raise ValueError("no second one")

    some = one_ahead(items())
    assert next(some) == "first"
    with pytest.raises(ValueError, match="no second one"):
        next(some)


def test_who_needs_no_more_ends_the_thread() -> None:
    before = threading.active_count()
    some = one_ahead(iter(range(100)))
    assert next(some) == 0
    some.close()  # type: ignore[attr-defined]  # as a loop that is left does
    assert threading.active_count() == before


def test_the_thread_logs_as_its_maker_does() -> None:
    structlog.contextvars.bind_contextvars(account="museum")
    seen = one_ahead(structlog.contextvars.get_contextvars() for _ in range(2))
    assert [each["account"] for each in seen] == ["museum"] * 2


def test_what_follows_is_made_while_this_is_worked_on() -> None:
    got_first = threading.Event()
    made: list[int] = []

    def double(number: int) -> int:
        if number == 2:
            assert got_first.wait(timeout=60)
        made.append(number)
        return 2 * number

    doubled = Beforehand(double)
    assert doubled.of(1, following=2) == 2
    got_first.set()
    assert doubled.of(2, following=None) == 4
    assert made == [1, 2]
    doubled.close()


def _double(number: int) -> int:
    return 2 * number


def test_another_than_followed_is_made_all_the_same() -> None:
    doubled = Beforehand(_double)
    assert [doubled.of(1, following=2), doubled.of(7, following=None)] == [2, 14]
    doubled.close()


def test_what_making_one_beforehand_raises_is_raised_when_it_is_asked_for() -> None:
    def share(number: int) -> int:
        return 12 // number

    shares = Beforehand(share)
    assert shares.of(3, following=0) == 4
    with pytest.raises(ZeroDivisionError):
        shares.of(0, following=None)
    shares.close()


def test_no_thread_is_left_when_it_is_closed() -> None:
    before = threading.active_count()
    doubled = Beforehand(_double)
    doubled.of(1, following=2)
    doubled.close()
    assert threading.active_count() == before
