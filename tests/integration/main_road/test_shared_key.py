"""Three programs of one application at once, as the service's log of requests shows them."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sync.errors import ExitCode
from sync.sandbox import Sandbox
from tests.integration.main_road.office import Office

PER_DAY, RESERVED, PEOPLE = 110, 30, 2_000

MakeBranch = Callable[[str], Office]


@pytest.fixture
def make_branch(sandbox: Sandbox, state_url: str, tmp_path: Path) -> MakeBranch:
    """One of the accounts that share a state and a key; it has many small imports to send."""

    def make(name: str) -> Office:
        office = Office(
            tmp_path / name,
            sandbox,
            options={"account": [f'name = "{name}"'], "state": [f'url = "{state_url}"']},
        )
        limits = [
            f'base_url = "{sandbox.api_url}"',
            "requests_per_second = 4",
            f"requests_per_day = {PER_DAY}",
            f"requests_reserved = {RESERVED}",
            "batch_contacts = 50",
        ]
        office.configure(api="\n".join(limits), lists='names = ["Customers"]')
        office.contacts.write_text(
            "email\n" + "".join(f"{name}.{n}@example.com\n" for n in range(PEOPLE))
        )
        office.authorize()
        return office

    return make


def test_three_programs_stay_within_four_requests_in_any_second_and_within_the_day_s_quota(
    make_branch: MakeBranch, sandbox: Sandbox
) -> None:
    sandbox.people.add_list("Customers")
    sandbox.settings = replace(
        sandbox.settings,
        requests_per_second=4,
        requests_per_day=PER_DAY,
        second_consent_kills_earlier=False,
    )
    offices = [make_branch(name) for name in ("boston", "salem", "mystic")]
    programs = [office.start("--run-now") for office in offices]
    told = [program.communicate(timeout=280) for program in programs]
    entries = sandbox.requests(path="/v3")
    # More is to be sent than a day allows, so all of them were held up by both limits.
    assert [program.returncode for program in programs] == [ExitCode.BUSY] * 3, told
    # Who comes to the end of its share first is told so, while the others still want theirs.
    spent = re.compile("after 00:00 UTC|This account's share of today's 110 requests is spent")
    assert all(spent.search(err) for _, err in told), told
    assert {entry.status for entry in entries} <= {200, 201}
    # Equal shares leave less than one request of each account over.
    assert PER_DAY - RESERVED - len(offices) < len(entries) <= PER_DAY
    arrivals = sorted(entry.at for entry in entries)
    spans = [fifth - first for first, fifth in zip(arrivals, arrivals[4:], strict=False)]
    assert min(spans) >= 1.0
