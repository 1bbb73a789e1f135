"""What people did there is known in time, and what they did long ago costs nothing each day."""

from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs

import pytest
from sqlalchemy import select

from sync.sandbox import SandboxSettings
from sync.settings.options import Api
from sync.state.feedback import Line, pages
from sync.state.schema import observed
from tests.conftest import QUICK
from tests.integration.engine.company import Company, people
from tests.integration.engine.conftest import CompanyWith, SteppedStop

CUSTOMERS_AND_NEWS = {"names": ["Customers", "News"]}


@pytest.fixture
def town(company_with: CompanyWith, switches: SandboxSettings) -> Company:
    """Thirty people on two lists, of whom nobody's data were touched since the last look."""
    return _town(company_with, switches, full_every_runs=3)


def _town(company_with: CompanyWith, switches: SandboxSettings, full_every_runs: int) -> Company:
    observe = {"full_every_runs": full_every_runs}
    company = company_with(lists=CUSTOMERS_AND_NEWS, observe=observe)
    company.sandbox.settings = switches
    company.has(*people(30), first_name="Ada")
    for _ in range(2):
        company.sync()
        company.next_day()
    return company


def known(company: Company) -> dict[tuple[str, str], Line]:
    """What is known of people, by address and kind; who came back has ended_at."""
    found = pages(company.store, "default", None)
    return {(line.email, line.what): line for page in found for line in page}


def reads(company: Company, since: int) -> list[dict[str, list[str]]]:
    """The parameters of the readings of contacts; a further page has only a cursor."""
    entries = company.sandbox.requests(path="/v3/contacts", since=since)
    return [parse_qs(entry.query) for entry in entries]


def asked_so_far(company: Company) -> int:
    return max((entry.number for entry in company.sandbox.requests()), default=0)


def test_what_ended_long_ago_costs_nothing_each_day_and_is_read_every_so_many_runs(
    company_with: CompanyWith,
) -> None:
    company = company_with(observe={"full_every_runs": 3})
    for number in range(1_300):
        company.sandbox.people.add_contact(f"old{number}@example.com", permission="unsubscribed")
    company.sandbox.advance(timedelta(days=2))
    company.clock.advance(timedelta(days=2))
    company.has(*people(30))
    costs = []
    for _ in range(7):
        before = asked_so_far(company)
        company.sync()
        costs.append(len(reads(company, before)))
        company.next_day()
    assert costs == [3, 2, 2, 3, 2, 2, 3]
    assert sum(what == "unsubscribed" for _, what in known(company)) == 1_300


def test_who_unsubscribed_since_is_known_by_either_date(town: Company) -> None:
    town.sandbox.people.unsubscribe("p1@example.com", "too many mails")
    town.sandbox.people.user_unsubscribe("p2@example.com")
    before = asked_so_far(town)
    recording = town.sync()
    asked = reads(town, before)
    assert any("optout_after" in each and each["status"] == ["unsubscribed"] for each in asked)
    assert any("updated_after" in each and each["status"] == ["all"] for each in asked)
    assert (recording.counts.seen_unsubscribed, recording.counts.opted_out) == (2, 2)
    told = known(town)
    by_person = told["p1@example.com", "unsubscribed"]
    assert (by_person.reason, by_person.opt_out_source) == ("too many mails", "Contact")
    assert by_person.happened_at is not None
    assert abs(by_person.happened_at - town.clock()) < timedelta(minutes=5)
    assert told["p2@example.com", "unsubscribed"].opt_out_source == "Account"


def test_who_was_deleted_or_left_a_list_without_a_trace_is_told_by_the_next_full_reading(
    town: Company,
) -> None:
    town.sandbox.people.user_delete("p1@example.com")
    town.sandbox.people.leave_list("p2@example.com", "News")
    town.sandbox.people.bounce("p3@example.com")
    seen = [town.sync().counts]
    for _ in range(3):
        town.next_day()
        seen.append(town.sync().counts)
    assert sum(counts.seen_deleted for counts in seen) == 1
    assert sum(counts.seen_left for counts in seen) == 1
    told = known(town)
    deleted = told["p1@example.com", "deleted"].happened_at
    assert deleted is not None
    assert deleted.date() == (town.clock() - timedelta(days=3)).date()
    left = told["p2@example.com", "left_list"]
    assert (left.list_name, left.ended_at) == ("News", None)
    assert left.list_id == {one.name: one.list_id for one in town.sandbox.people.lists()}["News"]
    assert told["p3@example.com", "held"].ended_at is None
    assert seen[-1].opted_out == 1  # who has left one list, or is held, is sent still


@pytest.mark.parametrize("more", [0, 20], ids=["asked for by address", "all deleted ones read"])
def test_a_new_row_of_somebody_who_was_deleted_there_revives_nobody(
    company_with: CompanyWith, switches: SandboxSettings, more: int
) -> None:
    town = _town(company_with, switches, full_every_runs=100)
    town.sandbox.people.add_contact("late@example.com", lists=("News",))
    for _ in range(2):
        town.sync()
        town.next_day()
    town.sandbox.people.user_delete("late@example.com")
    town.sandbox.people.add_contact("later@example.com", permission="unsubscribed")
    town.has("late@example.com", "later@example.com", first_name="Grace")
    town.has(*(f"new{number}@example.com" for number in range(more)))
    recording = town.sync()
    assert recording.counts.opted_out == 2
    assert {code for _, code, _ in town.rejects(recording)} == {"deleted", "unsubscribed"}
    assert recording.counts.confirmed == more
    assert town.sandbox.people.contact("late@example.com")["deleted_at"]


def test_who_came_back_by_their_own_doing_is_free_and_on_the_lists_again(town: Company) -> None:
    there = town.sandbox.people
    there.unsubscribe("p1@example.com")
    there.user_delete("p2@example.com")
    there.leave_list("p3@example.com", "News")
    for _ in range(3):
        town.sync()
        town.next_day()
    assert not {"p1@example.com", "p2@example.com"} & town.on_a_list()
    there.confirm("p1@example.com")
    there.user_restore("p2@example.com")
    recording = town.sync()
    assert (recording.counts.seen_returned, recording.counts.opted_out) == (2, 0)
    for email in ("p1@example.com", "p2@example.com"):
        assert town.lists_of(email) == ["Customers", "News"]
    assert town.lists_of("p3@example.com") == ["Customers"]
    told = known(town)
    assert told["p1@example.com", "unsubscribed"].ended_at is not None
    assert told["p2@example.com", "deleted"].ended_at is not None
    assert told["p3@example.com", "left_list"].ended_at is None


def test_who_was_restored_and_is_unsubscribed_still_is_not_free(town: Company) -> None:
    there = town.sandbox.people
    there.unsubscribe("p1@example.com")
    there.user_delete("p1@example.com")
    for _ in range(2):
        town.sync()
        town.next_day()
    there.user_restore("p1@example.com")
    assert town.sync().counts.opted_out == 1
    told = known(town)
    assert told["p1@example.com", "deleted"].ended_at is not None
    assert told["p1@example.com", "unsubscribed"].ended_at is None
    assert "p1@example.com" not in town.on_a_list()


def test_who_was_only_asked_to_come_back_has_not(town: Company) -> None:
    town.sandbox.people.unsubscribe("p1@example.com")
    town.sync()
    town.sandbox.people.set_permission("p1@example.com", "pending_confirmation")
    for _ in range(4):
        town.next_day()
        town.has("p1@example.com", first_name=f"Grace {town.clock():%j}")
        assert town.sync().counts.opted_out == 1
    assert "p1@example.com" not in town.on_a_list()
    assert known(town)["p1@example.com", "unsubscribed"].ended_at is None


def test_an_opt_out_that_only_the_import_told_of_is_not_sent_again(
    town: Company, stop: SteppedStop
) -> None:
    """Whoever unsubscribes while the run goes on is refused by the import, once."""
    # The service's clock goes on by itself, and a pause of the run takes none of its time.
    processing = timedelta(minutes=1)
    town.sandbox.settings = replace(town.sandbox.settings, processing_time=processing)
    before = len(town.imports())

    def unsubscribe() -> None:
        if len(town.imports()) > before:  # other pauses keep the pace
            stop.during_pause = lambda: None
            town.sandbox.people.unsubscribe("p1@example.com")
            town.sandbox.advance(processing)

    town.has("p1@example.com", "p2@example.com", first_name="Grace")
    stop.during_pause = unsubscribe
    recording = town.sync()
    assert (recording.counts.confirmed, recording.counts.refused) == (1, 1)
    assert recording.counts.seen_unsubscribed == 1
    town.next_day()
    posted = len(town.imports())
    assert town.sync().counts.opted_out == 1
    assert len(town.imports()) == posted


@pytest.mark.parametrize("answer", ["revive", "refuse"])
def test_a_deleted_contact_is_revived_only_when_the_configuration_says_so(
    company_with: CompanyWith, switches: SandboxSettings, answer: str
) -> None:
    company = company_with(observe={"revive_deleted": True, "full_every_runs": 1})
    company.sandbox.settings = replace(switches, deleted_on_import=answer)  # type: ignore[arg-type]
    company.has(*people(5))
    company.sync()
    company.next_day()
    company.sandbox.people.user_delete("p1@example.com")
    company.sandbox.people.unsubscribe("p2@example.com")
    company.sandbox.people.user_delete("p2@example.com")
    recording = company.sync()
    assert recording.counts.seen_deleted == 2
    assert company.imported() == ["p1@example.com"]
    revived = answer == "revive"
    assert ("p1@example.com" in company.on_a_list()) == revived
    assert "p2@example.com" not in company.on_a_list()
    assert (known(company)["p1@example.com", "deleted"].ended_at is not None) == revived
    company.next_day()
    posted = len(company.imports())
    company.sync()
    assert len(company.imports()) - posted == (0 if revived else 1)


def test_a_contact_that_was_refused_is_told_until_it_is_taken(company: Company) -> None:
    company.sandbox.settings = replace(QUICK, held_on_import="refuse")
    company.sandbox.people.add_contact("p1@example.com")
    company.sandbox.people.bounce("p1@example.com")
    company.has(*people(3))
    assert company.sync().counts.refused == 1
    told = known(company)
    assert told["p1@example.com", "refused"].ended_at is None
    assert told["p1@example.com", "refused"].reason
    assert told["p1@example.com", "held"].ended_at is None
    company.days_pass(Api().refused_again_days)
    company.sandbox.people.set_permission("p1@example.com", "implicit")
    assert company.sync().counts.confirmed == 1
    told = known(company)
    assert told["p1@example.com", "refused"].ended_at is not None
    assert told["p1@example.com", "held"].ended_at is not None


def test_a_full_reading_that_was_cut_short_is_made_again(
    company_with: CompanyWith, stop: SteppedStop
) -> None:
    company = company_with(api={"requests_per_second": 1})
    company.has(*people(3))
    stop.during_pause = stop.request
    with pytest.raises(Exception, match="stop"):
        company.sync()
    with company.store.read() as connection:
        assert connection.execute(select(observed)).all() == []


@pytest.mark.parametrize("hours", [0.5, 24])
def test_whom_our_own_import_has_changed_is_not_read_again(
    company_with: CompanyWith, hours: float
) -> None:
    company = company_with(api={"batch_contacts": 1_500}, lists=CUSTOMERS_AND_NEWS)
    company.has(*people(3_000))
    company.sync()
    there, pause = company.sandbox.people, timedelta(hours=hours)
    company.clock.advance(pause)
    company.sandbox.advance(pause)
    there.unsubscribe("p1@example.com")
    there.user_edit("p2@example.com", {"first_name": "Ada"})
    before = asked_so_far(company)
    counts = company.sync().counts
    assert counts.seen_unsubscribed == 1
    asked = reads(company, before)
    assert len(asked) <= 5
    assert not any("cursor" in each for each in asked)
    there.leave_list("p3@example.com", "News")
    company.has("p3@example.com", first_name="Grace")
    company.sync()
    assert company.lists_of("p3@example.com") == ["Customers"]


def test_who_unsubscribed_or_was_deleted_while_our_import_went_on_is_known(
    company_with: CompanyWith, stop: SteppedStop
) -> None:
    company = company_with(api={"batch_contacts": 1_000, "batches_in_flight": 1})
    company.sandbox.settings = replace(
        QUICK, processing_time=timedelta(seconds=0.1), delete_moves_updated_at=True
    )
    company.has(*people(3_000))
    done: list[str] = []

    def meanwhile() -> None:
        if not done and "p1@example.com" in company.on_a_list():
            company.sandbox.people.unsubscribe("p1@example.com")
            company.sandbox.people.user_delete("p2@example.com")
            done.append("both")

    stop.during_pause = meanwhile
    company.sync()
    assert done
    stop.during_pause = lambda: None
    company.next_day()
    counts = company.sync().counts
    assert (counts.seen_unsubscribed, counts.seen_deleted) == (1, 1)
    with company.store.read() as connection:
        assert connection.execute(select(observed)).one().own_until is not None


def test_who_came_back_is_seen_though_nobody_was_ever_sent(company_with: CompanyWith) -> None:
    company = company_with(observe={"full_every_runs": 1})
    there = company.sandbox.people
    there.add_contact("p0@example.com", permission="unsubscribed")
    company.has("p0@example.com")
    assert company.sync().counts.opted_out == 1
    there.set_permission("p0@example.com", "explicit")
    company.next_day()
    assert company.sync().counts.confirmed == 1
