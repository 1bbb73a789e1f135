"""What people did is kept, ended and told, on each kind of database."""

from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import insert, update

from sync.observe import note_people
from sync.state import absences, audience, feedback, observations, staging
from sync.state.comparison import Action
from sync.state.feedback import Line
from sync.state.id_sets import LISTS
from sync.state.observations import OPT_OUTS, Ended, News, Observation, Told
from sync.state.runs import Runs
from sync.state.schema import contact, staged
from sync.state.store import Store

ACCOUNT = "museum"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)
A, B = "a" * 36, "b" * 36


class Town:
    """An account's observations."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def sees(self, *seen: Observation, now: datetime = NOW) -> None:
        with self.store.write() as connection:
            observations.note(connection, ACCOUNT, seen, now)

    def ends(self, *emails: str, now: datetime = NOW) -> None:
        with self.store.write() as connection:
            observations.end(connection, ACCOUNT, emails, OPT_OUTS, now)

    def told(self, since: datetime | None = None) -> dict[tuple[str, str, str], Line]:
        return {
            (line.email, line.what, line.list_id): line
            for page in feedback.pages(self.store, ACCOUNT, since)
            for line in page
        }

    def news(self, since: datetime | None) -> News:
        with self.store.read() as connection:
            return observations.news(connection, ACCOUNT, since)

    def synced(self, *emails: str, lists: tuple[str, ...] = (A,), now: datetime = NOW) -> None:
        """These contacts are believed to be on these lists."""
        with self.store.write() as connection:
            row = {
                "account": ACCOUNT,
                "fingerprint": b"",
                "list_set_id": LISTS.set_id(connection, ACCOUNT, lists),
                "body_id": 0,
                "first_sent_at": now,
                "last_synced_at": now,
            }
            connection.execute(insert(contact), [{**row, "email": each} for each in emails])

    def staged(self, *rows: tuple[str, str | None], action: Action = Action.UNCHANGED) -> int:
        """A run whose source has these people, by address and the company's key."""
        run_id = Runs(self.store, ACCOUNT).begin(NOW, dry_run=False)
        count = len(rows)
        fingerprints = [blake2b(email.encode(), digest_size=16).digest() for email, _ in rows]
        none = pa.array([[]], pa.list_(pa.large_string()))
        nothing = pa.DictionaryArray.from_arrays([0] * count, none)
        batch = pa.record_batch(
            {
                "row": pa.array(range(1, count + 1)),
                "email": pa.array([email for email, _ in rows], pa.large_string()),
                "body": pa.array(["{}"] * count, pa.large_string()),
                "size": pa.array([2] * count),
                "fingerprint": pa.array(fingerprints, pa.binary(16)),
                "source_key": pa.array([key for _, key in rows], pa.large_string()),
                "lists": nothing,
                "tags": nothing,
            }
        )
        with self.store.write() as connection:
            lists = LISTS.set_id(connection, ACCOUNT, (A,))
            staging.Staging(connection, run_id).add(
                connection, staging.ready(batch), {(): lists}, {(): None}
            )
            connection.execute(
                update(staged).where(staged.c.run_id == run_id).values(action=action)
            )
        return run_id


@pytest.fixture
def town(store: Store) -> Town:
    return Town(store)


def unsubscribed(email: str, **details: object) -> Observation:
    return Observation(email=email, kind=Ended.UNSUBSCRIBED, **details)  # type: ignore[arg-type]


def test_what_is_seen_again_keeps_the_instant_when_it_was_first_seen(town: Town) -> None:
    town.sees(unsubscribed("a@x.org", reason="one", source="Contact", happened_at=NOW - DAY))
    town.sees(unsubscribed("a@x.org", reason="two", source="Account"), now=NOW + DAY)
    [line] = town.told().values()
    assert (line.first_seen_at, line.last_seen_at) == (NOW, NOW + DAY)
    assert (line.reason, line.opt_out_source, line.happened_at) == ("two", "Account", None)
    assert (line.ended_at, line.account) == (None, ACCOUNT)


def test_what_has_ended_is_told_as_past_until_it_holds_again(town: Town) -> None:
    town.sees(unsubscribed("a@x.org"), unsubscribed("b@x.org"))
    town.ends("a@x.org", "c@x.org", now=NOW + DAY)
    key = ("a@x.org", "unsubscribed", "")
    assert town.told()[key].ended_at == NOW + DAY
    assert town.news(NOW) == News(returned=1)
    assert town.news(NOW + DAY) == News()
    assert town.news(None) == News(unsubscribed=2, returned=1)
    town.sees(unsubscribed("a@x.org", reason="again"), now=NOW + 2 * DAY)
    assert (town.told()[key].ended_at, town.told()[key].reason) == (None, "again")
    town.ends("a@x.org", now=NOW + 3 * DAY)
    assert (town.told()[key].ended_at, town.told()[key].first_seen_at) == (
        NOW + 3 * DAY,
        NOW + 2 * DAY,
    )


def test_only_what_was_seen_or_has_ended_since_is_told(town: Town) -> None:
    town.sees(unsubscribed("a@x.org"), unsubscribed("b@x.org"))
    town.sees(unsubscribed("c@x.org"), now=NOW + DAY)
    town.ends("b@x.org", now=NOW + DAY)
    assert {email for email, _, _ in town.told(NOW + DAY)} == {"b@x.org", "c@x.org"}
    assert town.told(NOW + 2 * DAY) == {}


def test_many_are_told_page_by_page_each_once(town: Town) -> None:
    left = [
        Observation(email=f"p{n}@x.org", kind=Ended.LEFT_LIST, list_id=list_id)
        for n in range(700)
        for list_id in (A, B)
    ]
    town.sees(*left, *(unsubscribed(f"p{n}@x.org") for n in range(700)))
    pages = list(feedback.pages(town.store, ACCOUNT, None))
    assert len(pages) == 5
    assert len(town.told()) == sum(map(len, pages)) == 2_100


def test_lists_keep_their_names_when_they_are_deleted(town: Town) -> None:
    town.sees(Observation(email="a@x.org", kind=Ended.LEFT_LIST, list_id=A))
    with town.store.write() as connection:
        LISTS.remember(connection, ACCOUNT, {"News": A})
        observations.name_lists(connection, ACCOUNT)
        LISTS.remember(connection, ACCOUNT, {})
        observations.name_lists(connection, ACCOUNT)
    assert town.told()["a@x.org", "left_list", A].list_name == "News"


def test_people_get_the_name_that_the_company_s_newest_source_gives_them(town: Town) -> None:
    town.sees(unsubscribed("a@x.org"), unsubscribed("b@x.org"), unsubscribed("c@x.org"))
    for rows in (
        [("a@x.org", "C-1"), ("b@x.org", None), ("d@x.org", "C-4")],
        [("a@x.org", "C-7"), ("b@x.org", "C-2")],
        [("a@x.org", None)],
    ):
        run_id = town.staged(*rows)
        with town.store.write() as connection:
            observations.name_people(connection, ACCOUNT, run_id)
    found = {email: line.source_key for (email, _, _), line in town.told().items()}
    assert found == {"a@x.org": "C-7", "b@x.org": "C-2", "c@x.org": None}


def test_a_refusal_ends_when_the_contact_is_taken_or_is_sent_no_more(town: Town) -> None:
    refused = [
        Observation(email=f"{name}@x.org", kind=Told.REFUSED, reason="held: x") for name in "abc"
    ]
    town.sees(*refused)
    town.synced("a@x.org", now=NOW + DAY)
    town.synced("b@x.org", now=NOW - DAY)
    later = NOW + 2 * DAY

    def open_ones(before: datetime | None) -> set[str]:
        with town.store.write() as connection:
            observations.end_refusals(connection, ACCOUNT, later, before=before)
        return {email for (email, _, _), line in town.told().items() if line.ended_at is None}

    assert open_ones(None) == {"b@x.org", "c@x.org"}
    assert open_ones(NOW) == {"b@x.org", "c@x.org"}
    assert open_ones(later) == set()


def test_a_deletion_ends_when_an_import_has_revived_the_contact(town: Town) -> None:
    town.sees(*(Observation(email=f"{name}@x.org", kind=Ended.DELETED) for name in "ab"))
    town.synced("a@x.org", now=NOW + DAY)
    town.synced("b@x.org", now=NOW - DAY)
    with town.store.write() as connection:
        observations.end_revived(connection, ACCOUNT, NOW + DAY)
        assert observations.count(connection, ACCOUNT, [Ended.DELETED]) == 1
    assert town.told()["a@x.org", "deleted", ""].ended_at == NOW + DAY


def test_a_contact_that_comes_without_lists_is_on_none(town: Town) -> None:
    """The contract doesn't say whether an empty list of memberships is shown at all."""
    town.synced("a@x.org", "b@x.org", lists=(A, B))
    seen: list[dict[str, Any]] = [
        {"email_address": {"address": "A@x.org", "permission_to_send": "implicit"}},
        {
            "email_address": {"address": "b@x.org", "permission_to_send": "explicit"},
            "list_memberships": [A, B],
        },
        {"sms_channel": {}},
    ]
    with town.store.write() as connection:
        note_people(connection, ACCOUNT, seen, NOW)
    assert sorted(town.told()) == [("a@x.org", "left_list", A), ("a@x.org", "left_list", B)]


def test_whom_this_program_deleted_itself_nobody_has_deleted(town: Town) -> None:
    town.synced("a@x.org", "b@x.org")
    gone = {"permission_to_send": "implicit"}
    with town.store.write() as connection:
        connection.execute(
            update(contact).where(contact.c.email == "a@x.org").values(removed_at=NOW)
        )
        seen = [
            {"email_address": {**gone, "address": email}, "deleted_at": "2026-11-23"}
            for email in ("a@x.org", "b@x.org")
        ]
        note_people(connection, ACCOUNT, seen, NOW)
    assert list(town.told()) == [("b@x.org", "deleted", "")]


def test_very_many_who_are_seen_nowhere_have_left_all_their_lists(town: Town) -> None:
    emails = [f"p{number}@x.org" for number in range(1_200)]
    town.synced(*emails, lists=(A, B))
    run_id = town.staged(*((email, None) for email in emails), action=Action.CHANGED)
    with town.store.write() as connection:
        assert absences.doubt(connection, ACCOUNT, run_id, NOW) == {A, B}
        absences.dismiss(connection, ACCOUNT, emails[:600])
        assert absences.doubted(connection, ACCOUNT, 3) == sorted(emails[600:])[:3]
        absences.believe(connection, ACCOUNT, NOW)
        assert absences.doubted(connection, ACCOUNT, 3) == []
        assert observations.count(connection, ACCOUNT, [Ended.LEFT_LIST]) == 1_200
    assert {email for email, _, _ in town.told()} == set(emails[600:])


def test_how_far_it_was_read_is_kept_whole(town: Town) -> None:
    whole = audience.Observed(until=NOW, full_at=NOW - DAY, runs_since_full=1)
    with town.store.write() as connection:
        assert audience.observed_until(connection, ACCOUNT) is None
        audience.set_observed(connection, ACCOUNT, whole)
        audience.note_own_import(connection, ACCOUNT, NOW - DAY, NOW)
        found = audience.observed_until(connection, ACCOUNT)
    assert found == audience.Observed(
        until=NOW, full_at=NOW - DAY, runs_since_full=1, own_from=NOW - DAY, own_until=NOW
    )
