"""What Constant Contact leaves open must not matter: the same end, whichever way it answers."""

from contextlib import AbstractContextManager, nullcontext

import pytest

from sync.api import contacts
from sync.errors import ContactSyncError, ServiceUnavailable
from sync.sandbox import Fault, SandboxSettings, other_answers
from sync.sandbox.settings import with_change
from tests.conftest import QUICK
from tests.integration.engine.company import IMPORTS, people
from tests.integration.engine.conftest import CompanyWith

ANSWERS = [("as the cautious would", QUICK), *other_answers(QUICK)]
OPTIONS = {
    "lists": {"names": ["Customers", "News"]},
    "tags": {"names": ["Gold"], "create_missing": True},
    "mapping": {
        "custom_fields": {
            "member_no": "no",
            "size": {"column": "size", "type": "number"},
            "vip": {"column": "vip", "type": "boolean"},
        },
        "create_missing_custom_fields": True,
    },
    "gone": {"action": "remove_from_lists", "after_runs": 1},
    "guard": {"max_removed_percent": 50},
}
EVERY_KIND = {"city": "London", "country": "Norway", "no": "007", "size": "4.5", "vip": "yes"}
GRACE = {
    "permission": "implicit",
    "first_name": "Grace",
    "other_phone": "+47 22 86 44 00",
    "home_city": "London",
    "home_country": "Norway",
    "cf:member_no": "007",
    "cf:size": "4.5",
    "cf:vip": "true",
    "lists": [],
}
HELD, LOUD, MAIDEN, GOES = (
    "held@example.com",
    "Loud@Example.com",
    "p6@example.com",
    "p7@example.com",
)


@pytest.mark.parametrize(
    "answer", [settings for _, settings in ANSWERS], ids=[n for n, _ in ANSWERS]
)
def test_a_week_ends_the_same_under_each_answer(
    company_with: CompanyWith, answer: SandboxSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contacts, "PAGE", 3)
    company = company_with(**OPTIONS)
    company.sandbox.settings = answer
    there = company.sandbox.people
    there.add_contact(HELD, permission="temp_hold")
    company.has(*people(8), HELD, LOUD, first_name="Ada", phone="+47 22 86 44 00", **EVERY_KIND)
    company.sandbox.add_fault(Fault("drop", IMPORTS, "POST", after_work=True, count=1))
    company.sync()
    company.next_day()
    there.unsubscribe("p0@example.com")
    there.user_delete("p1@example.com")
    there.leave_list("p2@example.com", "News")
    company.sandbox.use_quota(10_000)
    with pytest.raises(ContactSyncError):
        company.sync()
    company.next_day()
    company.has(*people(8), first_name="Grace")
    company.has(MAIDEN, city="")
    company.has("p8@example.com", first_name="Edsger")
    del company.rows[GOES]
    # Where lists can't be left, a run does all the rest, and says so at its end.
    removable = answer.remove_list_limits == "text"
    told: AbstractContextManager[object] = nullcontext()
    if not removable:
        told = pytest.raises(ServiceUnavailable, match="off a list")
    with told:
        counts = company.sync().counts
        assert (counts.new, counts.changed, counts.opted_out, counts.gone) == (1, 5, 2, 1)
        assert (counts.confirmed, counts.cleared) == (6, 1)
        assert counts.refused == (answer.held_on_import == "refuse")
    audience = there.audience()
    assert not {"p0@example.com", "p1@example.com"} & company.on_a_list()
    assert audience["p2@example.com"]["lists"] == ["Customers"]
    assert audience[HELD]["permission"] == "temp_hold"
    for email in (f"p{n}@example.com" for n in range(2, 6)):
        assert audience[email] | {"lists": []} == GRACE
    assert audience[MAIDEN] == {
        **{name: value for name, value in GRACE.items() if name != "home_city"},
        "lists": ["Customers", "News"],
    }
    assert {**audience[LOUD.lower()], "first_name": "Grace", "lists": []} == GRACE
    assert audience[GOES]["lists"] == ([] if removable else ["Customers", "News"])
    assert there.contact("p8@example.com")["taggings"] == there.contact(GOES)["taggings"] != []
    company.next_day()
    posted = len(company.imports())
    with told:
        company.sync()
    assert len(company.imports()) == posted
    assert there.audience() == audience


@pytest.mark.parametrize(("rule", "confirmed"), [("labels", 3), ("both", 3), ("ids", 1)])
def test_whose_choice_is_not_taken_is_refused_and_told(
    company_with: CompanyWith, rule: str, confirmed: int
) -> None:
    size = {"column": "size", "type": "single_select", "choices": ["S", "M"]}
    fields = {"custom_fields": {"size": size}, "create_missing_custom_fields": True}
    company = company_with(mapping=fields)
    company.sandbox.settings = with_change(QUICK, "select_in_import", rule)
    company.has(*people(2), size="M")
    company.has("p2@example.com", first_name="Ada")
    recording = company.sync()
    assert (recording.counts.confirmed, recording.counts.refused) == (confirmed, 3 - confirmed)
    refused = {email for email, _, _ in company.rejects(recording)}
    assert refused == {*people(3 - confirmed)}
