"""Following a collection from page to page."""

import json
from dataclasses import replace

import pytest

from sync.api import catalog, contacts
from sync.api.session import ApiSession
from sync.errors import ContractBroken
from sync.sandbox import Sandbox
from tests.conftest import QUICK
from tests.integration.engine.conftest import SessionFor, sentence
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
