"""Contacts get the tags that the source says, and lose them with it; others' tags stay."""

from contextlib import suppress

import pytest

from sync.errors import ServiceUnavailable
from sync.sandbox import Fault, Plan
from sync.sandbox.activities import End
from tests.integration.engine.company import IMPORTS, Company, people
from tests.integration.engine.conftest import CompanyWith
from tests.integration.engine.test_follow_ups import quiet_day

TAG = "/v3/activities/contacts_taggings_add"
TAGGED = {"tags": {"names": ["from-erp"], "column": "grade", "create_missing": True}}


def tags_of(company: Company, email: str) -> list[str]:
    names = {tag.tag_id: tag.name for tag in company.sandbox.people.tags()}
    return sorted(names[each] for each in company.sandbox.people.contact(email)["taggings"])


def test_contacts_get_their_tags_and_lose_them(company_with: CompanyWith, state_url: str) -> None:
    company = company_with(state_url, **TAGGED)
    company.has(*people(3), grade="gold")
    recording = company.sync()
    assert recording.counts.tagged == 3
    assert tags_of(company, "p0@example.com") == ["from-erp", "gold"]
    assert len(company.sandbox.requests(path=TAG)) == 2
    quiet_day(company)
    company.has("p0@example.com", grade="silver")
    assert company.sync().counts.tagged == 1
    assert tags_of(company, "p0@example.com") == ["from-erp", "silver"]
    assert tags_of(company, "p1@example.com") == ["from-erp", "gold"]
    quiet_day(company)


def test_who_is_refused_is_not_counted_among_the_tagged(company_with: CompanyWith) -> None:
    company = company_with(lists={"names": [], "column": "department"}, **TAGGED)
    company.has(*people(3), department="Customers", grade="gold")
    company.sandbox.add_fault(Fault("status", IMPORTS, "POST", status=400, holds="p1@example.com"))
    recording = company.sync()
    assert (recording.counts.refused, recording.counts.tagged) == (1, 2)
    company.next_day()
    company.has("p1@example.com", "p2@example.com", department="News", grade="silver")
    recording = company.sync()
    assert (recording.counts.refused, recording.counts.tagged, recording.counts.moved) == (1, 1, 1)
    assert tags_of(company, "p2@example.com") == ["from-erp", "silver"]


def test_a_tag_of_somebody_else_s_stays(company_with: CompanyWith) -> None:
    company = company_with(**TAGGED)
    company.sandbox.people.add_tag("vip")
    company.has(*people(2), grade="gold")
    company.sync()
    company.sandbox.people.user_tag("p0@example.com", "vip")
    company.next_day()
    company.has("p0@example.com", grade="silver")
    company.sync()
    assert tags_of(company, "p0@example.com") == ["from-erp", "silver", "vip"]


@pytest.mark.parametrize("end", ["failed", "partial"])
def test_tags_that_could_not_be_given_are_given_by_the_next_run(
    company_with: CompanyWith, end: End
) -> None:
    company = company_with(**TAGGED)
    company.has(*people(3), grade="gold")
    company.sandbox.plan_activity(Plan(end, kind="contacts_taggings_add", share=0.4))
    with pytest.raises(ServiceUnavailable, match="tagging contacts"):
        company.sync()
    company.next_day()
    company.sync()
    assert tags_of(company, "p2@example.com") == ["from-erp", "gold"]
    quiet_day(company)


@pytest.mark.parametrize("others", [False, True])
def test_a_change_whose_answer_was_lost_is_not_confirmed_by_another_activity(
    company_with: CompanyWith, others: bool
) -> None:
    """Neither by a change of the same run, nor by what somebody else has asked for."""
    company = company_with(lists={"names": [], "column": "department"}, **TAGGED)
    company.has(*people(3), department="Customers", grade="gold")
    company.sync()
    company.next_day()
    company.has("p0@example.com", grade="silver")
    if others:
        company.sandbox.people.add_tag("vip")
        company.someone_else_tags("p1@example.com", "vip")
    else:
        company.has("p1@example.com", department="News")
    company.sandbox.add_fault(Fault("drop", TAG, count=1))
    with suppress(ServiceUnavailable):
        company.sync()
    company.next_day()
    company.sync()
    assert tags_of(company, "p0@example.com") == ["from-erp", "silver"]
    quiet_day(company)


def test_a_tag_that_was_deleted_there_need_not_be_taken_off(
    company_with: CompanyWith,
) -> None:
    company = company_with(**TAGGED)
    company.has(*people(3), grade="gold")
    company.sync()
    company.sandbox.people.delete_tag("gold")
    company.sandbox.people.add_list("Spare")
    company.next_day()
    company.has("p0@example.com", grade="silver")
    company.sync()
    assert tags_of(company, "p0@example.com") == ["from-erp", "silver"]
    assert company.sandbox.requests(path="/v3/activities/contacts_taggings_remove") == []


def test_who_comes_back_after_a_deletion_of_ours_loses_the_former_tags(
    company_with: CompanyWith,
) -> None:
    gone = {"action": "delete", "after_runs": 1}
    company = company_with(**TAGGED, gone=gone, guard={"minimum_contacts": 2000})
    company.has(*people(3), grade="gold")
    company.sync()
    company.next_day()
    del company.rows["p0@example.com"]
    assert company.sync().counts.deleted == 1
    company.next_day()
    company.has("p0@example.com", grade="silver")
    company.sync()
    assert tags_of(company, "p0@example.com") == ["from-erp", "silver"]
    quiet_day(company)
