"""Cutting batches, and the guard."""

import math
import random
from collections.abc import Callable, Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync import plan
from sync.errors import GuardStopped, SourceEmpty
from sync.settings.options import Api, Guard
from sync.state.outbox import BatchPlan
from sync.state.payload import import_payload
from sync.state.runs import Counts
from tests.to_send import InMemory

SEED = 20261128
LISTS = {1: ("a" * 36,), 2: ("a" * 36, "b" * 36), 3: tuple(f"{n:036}" for n in range(50))}

# (list set, body) of each row, in the order in which the state gives them
_rows = st.lists(
    st.tuples(st.sampled_from(sorted(LISTS)), st.text("aé€😀,\"'", max_size=300)), max_size=80
).map(lambda rows: sorted(rows, key=lambda row: row[0]))
_limits = st.builds(
    lambda contacts, size: Api(batch_contacts=contacts, batch_bytes=size),
    st.integers(1, 30),
    st.integers(3_500, 12_000),
)


def cut(rows: Iterable[tuple[int, int, int]], limits: Api, *, stretch: int = 1) -> list[BatchPlan]:
    return list(plan.batches(InMemory(list(rows), LISTS, stretch), limits))


@given(_rows, _limits, st.integers(1, 30))
def test_every_row_is_in_one_batch_of_its_lists_and_no_batch_is_too_big(
    rows: list[tuple[int, str]], limits: Api, stretch: int
) -> None:
    bodies = {number: (list_set, f'"{text}"') for number, (list_set, text) in enumerate(rows)}
    sized = [(list_set, row, len(body.encode())) for row, (list_set, body) in bodies.items()]
    seen: list[int] = []
    for batch in cut(sized, limits, stretch=stretch):
        inside = [
            row
            for row, (list_set, _) in bodies.items()
            if list_set == batch.list_set_id and batch.first_row <= row <= batch.last_row
        ]
        payload = import_payload((bodies[row][1] for row in inside), LISTS[batch.list_set_id])
        assert batch.bytes == len(payload) <= limits.batch_bytes
        assert batch.contacts == len(inside) <= limits.batch_contacts
        seen += inside
    assert seen == sorted(bodies)


@given(_rows, _limits, st.integers(1, 30))
def test_no_batch_could_have_taken_the_next_row_too(
    rows: list[tuple[int, str]], limits: Api, stretch: int
) -> None:
    sized = [(list_set, row, len(text.encode())) for row, (list_set, text) in enumerate(rows)]
    for batch, following in pairwise(cut(sized, limits, stretch=stretch)):
        if batch.list_set_id == following.list_set_id:
            size = sized[following.first_row][2]
            full = batch.contacts == limits.batch_contacts
            assert full or batch.bytes + 1 + size > limits.batch_bytes


def test_a_batch_may_be_exactly_as_big_as_allowed() -> None:
    frame = len(import_payload((), LISTS[1]))
    limits = Api(batch_bytes=3_800_000)
    rows = [(1, row, (3_800_000 - frame - 99) // 100) for row in range(100)]
    rest = 3_800_000 - frame - 99 - sum(size for _, _, size in rows)
    rows[-1] = (1, 99, rows[-1][2] + rest)
    [batch] = cut(rows, limits, stretch=30)
    assert batch.bytes == 3_800_000
    rows[-1] = (1, 99, rows[-1][2] + 1)
    assert [each.contacts for each in cut(rows, limits, stretch=30)] == [99, 1]


def test_the_service_s_count_is_never_passed() -> None:
    rows = ((1, row, 30) for row in range(80_001))
    assert [each.contacts for each in cut(rows, Api())] == [40_000, 40_000, 1]


def test_a_million_contacts_fill_their_imports() -> None:
    dice = random.Random(SEED)
    print(f"seed {SEED}")
    rows = ((1, row, dice.randrange(120, 1_200)) for row in range(1_000_000))
    batches = cut(rows, Api())
    assert sum(batch.contacts for batch in batches) == 1_000_000
    assert len(batches) <= math.ceil(1.1 * sum(batch.bytes for batch in batches) / 3_800_000)


Judge = Callable[..., None]


@pytest.fixture
def judge() -> Judge:
    def judge(
        counts: Counts,
        *,
        known: int = 0,
        last: Counts | None = None,
        limits: Guard = Guard(),  # noqa: B008 (frozen)
    ) -> None:
        plan.guard(counts, known=known, last=last, limits=limits)

    return judge


def test_a_usual_day_passes(judge: Judge) -> None:
    last = Counts(rows_read=1_000, new=1_000)
    judge(Counts(rows_read=1_000, new=5, changed=20, unchanged=975), known=1_000, last=last)


@pytest.mark.parametrize("rows", [0, 1, 1_000])
def test_a_source_without_a_valid_contact_is_stopped(judge: Judge, rows: int) -> None:
    with pytest.raises(SourceEmpty, match="no valid contact") as stopped:
        judge(Counts(rows_read=rows, rejected=rows), limits=Guard(minimum_contacts=5_000))
    assert str(stopped.value).endswith(".")


def test_a_source_of_people_who_all_opted_out_is_not_an_empty_one(judge: Judge) -> None:
    judge(Counts(rows_read=30, rejected=30, opted_out=30), known=30)


def _shrunk(rows: int) -> Counts:
    return Counts(rows_read=rows, unchanged=rows)


def _changed(part: int) -> Counts:
    return Counts(rows_read=100, changed=part, unchanged=100 - part)


def _faulty(part: int) -> Counts:
    return Counts(rows_read=500, rejected=5 * part + 9, opted_out=9, unchanged=491 - 5 * part)


def _deleted(part: int) -> Counts:
    return Counts(rows_read=100, unchanged=100, removed=part // 2, deleted=part - part // 2)


def _replaced(part: int) -> Counts:
    return Counts(rows_read=100, new=part, unchanged=100 - part, gone=part)


@pytest.mark.parametrize(
    ("counts", "option"),
    [
        (_shrunk(79), "max_shrink_percent"),
        (_changed(51), "max_changed_percent"),
        (_faulty(21), "max_rejected_percent"),
        (_replaced(21), "max_shrink_percent"),
        (_deleted(21), "max_removed_percent"),
    ],
)
def test_a_plan_beyond_a_limit_is_stopped_and_says_which(
    judge: Judge, counts: Counts, option: str
) -> None:
    last = Counts(rows_read=100, unchanged=100)
    with pytest.raises(GuardStopped) as stopped:
        judge(counts, known=100, last=last)
    text = str(stopped.value)
    assert f"guard.{option}" in text
    assert text.endswith(".")
    assert not isinstance(stopped.value, SourceEmpty)
    judge(counts, known=100, last=last, limits=Guard(**{option: 100}))
    judge(counts, known=100, last=last, limits=Guard(minimum_contacts=501))


@pytest.mark.parametrize(
    "counts", [_shrunk(80), _changed(50), _faulty(20), _replaced(20), _deleted(20)]
)
def test_a_plan_at_a_limit_passes(judge: Judge, counts: Counts) -> None:
    judge(counts, known=100, last=Counts(rows_read=100, unchanged=100))


@pytest.mark.parametrize(
    ("counts", "option"), [(_changed(8), "max_changed"), (_deleted(8), "max_removed")]
)
def test_a_number_is_a_limit_however_many_contacts_there_are(
    judge: Judge, counts: Counts, option: str
) -> None:
    with pytest.raises(GuardStopped, match=rf"8 contacts .*at most 7 .*\(guard\.{option}\)\.$"):
        judge(counts, known=10, limits=Guard(**{option: 7}))
    judge(counts, known=10, limits=Guard(**{option: 8}))


def test_who_was_gone_already_does_not_count_again(judge: Judge) -> None:
    last = Counts(rows_read=100, unchanged=100, gone=400)
    judge(Counts(rows_read=100, unchanged=95, new=5, gone=405), known=500, last=last)


def test_a_first_run_has_nothing_to_be_compared_with(judge: Judge) -> None:
    judge(Counts(rows_read=100, new=100))


def test_percentages_of_nothing_are_no_reason(judge: Judge) -> None:
    judge(Counts(rows_read=3, new=3), last=Counts(), limits=Guard(minimum_contacts=0))
