"""What Constant Contact leaves open must not matter: the same end, whichever way it answers."""

import pytest

from sync.sandbox import SandboxSettings, other_answers
from tests.conftest import QUICK
from tests.integration.engine.company import people
from tests.integration.engine.conftest import CompanyWith

ANSWERS = [("as the cautious would", QUICK), *other_answers(QUICK)]
LISTS = {"lists": {"names": ["Customers", "News"]}}


@pytest.mark.parametrize(
    "answer", [settings for _, settings in ANSWERS], ids=[n for n, _ in ANSWERS]
)
def test_a_week_ends_the_same_under_each_answer(
    company_with: CompanyWith, answer: SandboxSettings
) -> None:
    company = company_with(**LISTS)
    company.sandbox.settings = answer
    company.has(*people(8), first_name="Ada", city="London")
    company.sync()
    company.next_day()
    there = company.sandbox.people
    there.unsubscribe("p0@example.com")
    there.user_delete("p1@example.com")
    there.leave_list("p2@example.com", "News")
    company.next_day()
    company.has(*people(8), first_name="Grace")
    company.has("p8@example.com", first_name="Edsger")
    counts = company.sync().counts
    assert (counts.new, counts.changed, counts.opted_out) == (1, 6, 2)
    assert (counts.confirmed, counts.refused) == (7, 0)
    assert not {"p0@example.com", "p1@example.com"} & company.on_a_list()
    assert company.lists_of("p2@example.com") == ["Customers"]
    for email in ["p2@example.com", *(f"p{n}@example.com" for n in range(3, 8))]:
        assert there.contact(email)["first_name"] == "Grace"
    company.next_day()
    posted = len(company.imports())
    assert company.sync().counts.unchanged == 7
    assert len(company.imports()) == posted
