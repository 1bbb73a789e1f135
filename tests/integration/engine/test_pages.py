"""Following a collection from page to page."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import pytest

from sync.api import catalog, contacts
from sync.api.session import ApiSession
from sync.errors import ContractBroken, ServiceUnavailable
from sync.sandbox import Plan, Sandbox
from tests.conftest import QUICK
from tests.integration.engine.company import Company, people
from tests.integration.engine.conftest import CompanyWith, SessionFor, SteppedStop, sentence
from tests.integration.engine.scripted import Answer, scripted
from tests.integration.engine.tokens import Tokens


def _page(number: int, href: str | None, *, depth: int = 1) -> Answer:
    link: object = {"href": href}
    for _ in range(depth):
        link = {"next": link}
    return Answer(body=json.dumps({"items": [number]} | ({"_links": link} if href else {})))


def _items(session: ApiSession) -> list[int]:
    return [item for page in session.pages("/things", {"limit": 1}) for item in page["items"]]


@pytest.mark.parametrize("depth", [1, 2], ids=["next", "next.next"])
def test_every_page_is_read_wherever_the_link_stands(session_for: SessionFor, depth: int) -> None:
    following = _page(1, "/v3/things?cursor=a%2Bb", depth=depth)
    with scripted(following, _page(2, None)) as server:
        assert _items(session_for(server.url)) == [1, 2]
    assert [path for path, _ in server.seen] == ["/v3/things?limit=1", "/v3/things?cursor=a%2Bb"]


def test_a_whole_address_on_the_same_host_is_followed(session_for: SessionFor) -> None:
    with scripted(Answer()) as server:
        link = f"{server.url}/things?cursor=b"
        server.answers[:] = [_page(1, link), _page(2, None)]
        assert _items(session_for(server.url)) == [1, 2]


@pytest.mark.parametrize(
    "link",
    [
        "{other}/things?cursor=b",
        "//{host}/v3/things?cursor=b",
        "http://127.0.0.1@{host}/v3/things",
        "@{host}/v3/things",
        "things?cursor=b",
    ],
)
def test_a_next_page_elsewhere_is_not_asked_for(session_for: SessionFor, link: str) -> None:
    with scripted(_page(2, None)) as other:
        host = other.url.removeprefix("http://").removesuffix("/v3")
        with scripted(_page(1, link.format(other=other.url, host=host))) as server:
            base = server.url.removesuffix("/v3")
            for address in (server.url, base):
                with pytest.raises(ContractBroken) as failed:
                    _items(session_for(address))
                sentence(failed.value)
        assert other.seen == []


def test_pages_that_go_in_a_circle_end(session_for: SessionFor) -> None:
    first, second = _page(1, "/v3/things?cursor=2"), _page(2, "/v3/things?cursor=1")
    answers = (first, second, first, second, first, second)
    with scripted(*answers) as server, pytest.raises(ContractBroken) as failed:
        _items(session_for(server.url))
    sentence(failed.value)


def test_all_contacts_are_read_over_many_pages(sandbox: Sandbox, session: ApiSession) -> None:
    for number in range(1_101):
        sandbox.people.add_contact(f"p{number}@example.com", lists=("General Interest",))
    [list_id] = catalog.lists(session).values()
    found = [contacts.address_of(each) for each in contacts.members(session, [list_id])]
    assert len(found) == len(set(found)) == 1_101
    assert len(sandbox.requests(path="/v3/contacts")) == 3


@pytest.mark.parametrize("body", ["[]", "{}", '{"contacts": null}', '{"contacts": [1]}', '"x"'])
def test_contacts_without_contacts_are_a_broken_contract(
    session_for: SessionFor, body: str
) -> None:
    with scripted(Answer(body=body)) as server, pytest.raises(ContractBroken) as failed:
        list(contacts.not_reached(session_for(server.url)))
    sentence(failed.value)


@pytest.mark.parametrize("body", ["[]", "{}", '{"lists": [{"name": "A"}]}', '{"lists": 3}', "null"])
def test_lists_without_ids_are_a_broken_contract(
    session_for: SessionFor, body: str, tokens: Tokens
) -> None:
    with scripted(Answer(body=body)) as server, pytest.raises(ContractBroken) as failed:
        catalog.lists(session_for(server.url))
    sentence(failed.value, *tokens.tokens)


@pytest.mark.parametrize("body", ["[]", "{}", '{"encoded_account_id": 7}'])
def test_an_account_without_its_id_is_a_broken_contract(session_for: SessionFor, body: str) -> None:
    with scripted(Answer(body=body)) as server, pytest.raises(ContractBroken) as failed:
        catalog.account_summary(session_for(server.url))
    sentence(failed.value)


def test_a_deleted_list_is_no_list_even_when_it_is_shown(session_for: SessionFor) -> None:
    deleted = {"name": "Customers", "list_id": "gone", "deleted_at": "2026-01-01T00:00:00Z"}
    items = [{"name": "Customers", "list_id": "here"}, deleted]
    with scripted(Answer(body=json.dumps({"lists": items}))) as server:
        assert catalog.lists(session_for(server.url)) == {"Customers": "here"}
    [(path, _)] = server.seen
    assert "status=active" in path


@pytest.mark.parametrize("nested", [False, True], ids=["next", "next.next"])
def test_the_tags_of_all_pages_are_found_by_name(
    sandbox: Sandbox, session: ApiSession, nested: bool
) -> None:
    sandbox.settings = replace(QUICK, nested_tag_links=nested)
    made = {name: sandbox.people.add_tag(name).tag_id for name in map(str, range(1_001))}
    assert catalog.tags(session) == made
    assert len(sandbox.requests(path="/v3/contact_tags")) == 3
    one = catalog.create_tag(session, "x" * 255)
    assert catalog.tags(session) == made | {"x" * 255: one}


@pytest.mark.parametrize("body", ["[]", "{}", '{"tags": [{"name": "A"}]}', '{"tags": 3}', "null"])
def test_tags_without_ids_are_a_broken_contract(session_for: SessionFor, body: str) -> None:
    with scripted(Answer(body=body)) as server, pytest.raises(ContractBroken) as failed:
        catalog.tags(session_for(server.url))
    sentence(failed.value)


BY_COUNT = replace(QUICK, paging="by count", delete_moves_updated_at=True)


@pytest.fixture
def counting(
    company_with: CompanyWith, stop: SteppedStop, monkeypatch: pytest.MonkeyPatch
) -> Company:
    """Pages of three that count contacts, and a pause before each request."""
    monkeypatch.setattr(contacts, "PAGE", 3)
    company = company_with(
        api={"requests_per_second": 1},
        lists={"names": ["Customers", "News"]},
        observe={"full_every_runs": 100},
    )
    company.sandbox.settings = BY_COUNT
    return company


@pytest.mark.parametrize("paging", ["by count", "by place"])
@pytest.mark.parametrize("seed", range(8))
def test_who_stays_is_found_whoever_comes_and_goes(
    sandbox: Sandbox,
    session: ApiSession,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    paging: Literal["by count", "by place"],
) -> None:
    """Before every other page, some leave the collection or some enter it."""
    monkeypatch.setattr(contacts, "PAGE", 3)
    sandbox.settings = replace(QUICK, paging=paging)
    chance, there = random.Random(seed), sandbox.people
    emails = list(people(60))
    for email in emails:
        there.add_contact(email)
    gone = set(chance.sample(emails, 40))
    for email in gone:
        there.user_delete(email)
    stays, found, new_pages = set(gone), set[str](), 0
    for number, contact in enumerate(contacts.deleted(session), 1):
        found.add(contacts.address_of(contact) or "")
        queries = [entry.query for entry in sandbox.requests(path="/v3/contacts")]
        if number % 3 or queries[-1] in queries[:-1]:
            continue  # amid a page, or after one that was read again
        new_pages += 1
        if new_pages % 2:
            move, some = chance.choice(
                [(there.user_restore, gone), (there.user_delete, {*emails} - gone)]
            )
            for email in chance.sample(sorted(some), min(len(some), chance.randint(0, 7))):
                move(email)
                gone ^= {email}
            stays &= gone
    assert stays <= found


def test_a_quiet_collection_is_read_once(
    sandbox: Sandbox, session: ApiSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contacts, "PAGE", 3)
    for email in people(10):
        sandbox.people.add_contact(email, permission="unsubscribed")
    assert len(list(contacts.not_reached(session))) == 10
    assert len(sandbox.requests(path="/v3/contacts")) == 4


@pytest.mark.parametrize("counts", [{}, {"contacts_count": None}, {"contacts_count": "3"}])
def test_where_no_size_is_told_each_page_is_held_against_the_one_before(
    session_for: SessionFor, counts: dict[str, object]
) -> None:
    def page(name: str, following: int | None) -> Answer:
        link = {"_links": {"next": {"href": f"/v3/contacts?cursor={following}"}}}
        shown = {"contacts": [{"contact_id": name}], **counts}
        return Answer(body=json.dumps(shown | (link if following else {})))

    answers = [page("a", 2), page("c", 3), page("b", 2), page("e", None), page("d", 3)]
    with scripted(*answers) as server:
        found = [contacts.id_of(each) for each in contacts.deleted(session_for(server.url))]
    assert sorted(found) == ["a", "b", "c", "d", "e"]
    first, second = server.seen[0][0], "/v3/contacts?cursor=2"
    asked = [path for path, _ in server.seen]
    assert asked == [first, second, first, "/v3/contacts?cursor=3", second]


def meanwhile(
    company: Company, stop: SteppedStop, query: str, act: Callable[[], None]
) -> list[str]:
    """Let people act once, after the first page of such a reading; returns that they did, later."""
    before = len(company.sandbox.requests(path="/v3/contacts"))
    done: list[str] = []

    def look() -> None:
        asked = company.sandbox.requests(path="/v3/contacts")[before:]
        if not done and any(query in entry.query for entry in asked):
            done.append(query)
            act()

    stop.during_pause = look
    return done


def test_a_first_sync_revives_nobody_who_slid_from_page_to_page(
    counting: Company, stop: SteppedStop
) -> None:
    there = counting.sandbox.people
    for email in people(9):
        there.add_contact(email)
        there.user_delete(email)
    counting.has(*people(9))
    done = meanwhile(counting, stop, "deleted", lambda: there.user_restore("p0@example.com"))
    assert counting.sync().counts.opted_out == 9
    assert done
    assert counting.on_a_list() == set()


def test_a_later_sync_revives_nobody_who_slid_from_page_to_page(
    counting: Company, stop: SteppedStop
) -> None:
    there = counting.sandbox.people
    counting.has("first@example.com")
    counting.sync()
    counting.next_day()
    for email in people(9):
        there.add_contact(email)
    for _ in range(2):
        counting.sync()
        counting.next_day()
    counting.sandbox.settings = replace(BY_COUNT, delete_moves_updated_at=False)
    for email in people(9):
        there.user_delete(email)
    counting.has(*people(9))
    done = meanwhile(counting, stop, "status=deleted", lambda: there.user_restore("p0@example.com"))
    recording = counting.sync()
    assert done
    assert counting.on_a_list() <= {"first@example.com", "p0@example.com"}
    assert recording.counts.opted_out == 9


def test_who_slid_while_the_changes_were_read_is_known(
    counting: Company, stop: SteppedStop
) -> None:
    there = counting.sandbox.people
    counting.has(*people(7))
    for _ in range(2):
        counting.sync()
        counting.next_day()
    for email in people(7):
        there.user_edit(email, {"first_name": "Ada"})
        there.user_delete(email)

    def change() -> None:
        there.user_edit("p0@example.com", {"first_name": "Grace"})

    done = meanwhile(counting, stop, "updated_after", change)
    assert counting.sync().counts.seen_deleted == 7
    assert done


def test_who_slid_while_the_lists_were_read_has_left_none(
    counting: Company, stop: SteppedStop
) -> None:
    there = counting.sandbox.people
    leavers, stayers = [f"a{n}@example.com" for n in range(60)], list(people(9))
    counting.has(*leavers, *stayers, first_name="Ada")
    for _ in range(2):
        counting.sync()
        counting.next_day()
    for email in leavers:
        for name in ("Customers", "News"):
            there.leave_list(email, name)
    counting.has(*leavers, *stayers, first_name="Grace")
    done = meanwhile(counting, stop, "lists=", lambda: there.unsubscribe("p0@example.com"))
    recording = counting.sync()
    assert done
    left = {email for email, code, _ in counting.rejects(recording) if code == "left_list"}
    assert left == {*leavers}
    assert recording.counts.confirmed == 8


def test_who_slid_while_a_failed_change_was_looked_at_is_taken_off_the_list_still(
    company_with: CompanyWith, stop: SteppedStop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contacts, "PAGE", 3)
    company = company_with(
        api={"requests_per_second": 1}, lists={"names": [], "column": "department"}
    )
    there = company.sandbox.people
    for name in ("first@example.com", *people(7)):
        company.has(name, department="Customers")
    company.sync()
    company.next_day()
    company.has(*people(7), department="News")
    company.sandbox.settings = BY_COUNT
    company.sandbox.plan_activity(Plan("failed", kind="remove_list_memberships"))
    done: list[str] = []

    def look() -> None:
        paths = [entry.path for entry in company.sandbox.requests()]
        activity = "/v3/activities/remove_list_memberships"
        if not done and activity in paths and "/v3/contacts" in paths[paths.index(activity) :]:
            done.append("unsubscribed")
            there.unsubscribe("first@example.com")

    stop.during_pause = look
    with pytest.raises(ServiceUnavailable, match="taking contacts off a list"):
        company.sync()
    assert done
    company.next_day()
    company.sync()
    assert {*map(tuple, map(company.lists_of, people(7)))} == {("News",)}
