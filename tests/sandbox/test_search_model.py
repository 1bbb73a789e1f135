"""Every search finds, page by page, exactly those whom a plain filter finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sync.sandbox import Sandbox
from sync.sandbox.audience.rules import PERMISSIONS
from tests.sandbox.client import Client
from tests.sandbox.conftest import QUICK

LISTS = ("One", "Two")
STATUSES = ("active", "deleted", "not_set", "pending_confirmation", "temp_hold", "unsubscribed")


@dataclass(frozen=True)
class Somebody:
    permission: str
    lists: tuple[str, ...]
    deleted: bool

    @property
    def is_on(self) -> tuple[str, ...]:
        """The unsubscribed and the deleted are on no list."""
        gone = self.deleted or self.permission == "unsubscribed"
        return () if gone else self.lists

    def matches(self, status: list[str], lists: list[str]) -> bool:
        if lists and not set(lists).intersection(self.is_on):
            return False
        if not status:
            return not self.deleted
        if "all" in status:
            return True
        active = self.permission in ("explicit", "implicit") and not self.deleted
        return (
            ("active" in status and active)
            or ("deleted" in status and self.deleted)
            or (self.permission in status and not self.deleted)
        )


SOMEBODY = st.builds(
    Somebody,
    permission=st.sampled_from(PERMISSIONS),
    lists=st.lists(st.sampled_from(LISTS), unique=True).map(tuple),
    deleted=st.booleans(),
)


@given(
    people=st.lists(SOMEBODY, max_size=12),
    searches=st.lists(
        st.tuples(
            st.lists(st.sampled_from((*STATUSES, "all")), unique=True, max_size=3),
            st.lists(st.sampled_from(LISTS), unique=True),
            st.integers(1, 5),
            st.booleans(),
        ),
        min_size=3,
        max_size=6,
    ),
)
@settings(max_examples=25, deadline=None)
def test_pages_hold_whom_a_filter_finds(
    people: list[Somebody], searches: list[tuple[list[str], list[str], int, bool]]
) -> None:
    with Sandbox(settings=QUICK) as sandbox:
        ids = {name: sandbox.people.add_list(name).list_id for name in LISTS}
        for number, one in enumerate(people):
            email = f"p{number}@example.com"
            sandbox.people.add_contact(email, permission=one.permission, lists=one.lists)
            if one.deleted:
                sandbox.people.user_delete(email)
        client = Client(sandbox)
        for status, lists, limit, by_time in searches:
            query: dict[str, Any] = {"limit": limit, "include_count": "true"}
            if status:
                query["status"] = ",".join(status)
            if lists:
                query["lists"] = ",".join(ids[name] for name in lists)
            if by_time:
                query["updated_after"] = "2020-01-01T00:00:00Z"
            expected = [
                f"p{number}@example.com"
                for number, one in enumerate(people)
                if one.matches(status, lists)
            ]
            assert sorted(walk(client, query, limit, len(expected))) == sorted(expected)


def walk(client: Client, query: dict[str, Any], limit: int, expected: int) -> list[str]:
    """All addresses of a search, through all its pages."""
    page = client.get("/contacts", **query).json()
    found: list[str] = []
    while True:
        assert page["contacts_count"] == expected
        assert len(page["contacts"]) <= limit
        found += [contact["email_address"]["address"] for contact in page["contacts"]]
        if "next" not in page["_links"]:
            return found
        page = client.get(client.sandbox.url + page["_links"]["next"]["href"]).json()
