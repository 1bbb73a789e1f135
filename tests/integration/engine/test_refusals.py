"""Whom Constant Contact has refused is not sent again as it was, and told in each run."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from sync.cli.summary import show_summary
from sync.errors import ExitCode
from sync.sandbox import Fault, Plan
from sync.state.schema import observation
from tests.integration.engine.company import IMPORTS, Company, people
from tests.integration.engine.conftest import CompanyWith

POISON = "p3@example.com"


def _poisoned(company: Company) -> Company:
    """One of 30 people makes each import fail that holds it."""
    company.has(*people(30), first_name="Ada")
    company.sandbox.add_fault(Fault("status", IMPORTS, "POST", status=400, holds=POISON))
    assert company.sync().counts.refused == 1
    return company


def _days(company: Company, days: float) -> None:
    for time in (company.clock, company.sandbox):
        time.advance(timedelta(days=days))


def test_who_was_refused_waits_and_is_told_on_each_kind_of_database(
    company_with: CompanyWith, state_url: str
) -> None:
    company = _poisoned(company_with(state_url))
    sent = len(company.imports())
    for _ in range(3):
        company.next_day()
        recording = company.sync()
        counts = recording.counts
        assert (counts.new, counts.unchanged, counts.refused) == (0, 30, 1)
        assert counts.balanced
        assert recording.exit_code is ExitCode.DONE_WITH_REJECTS
        [(email, code, reason)] = company.rejects(recording)
        assert (email, code) == (POISON, "import_failed")
        assert "it is sent again when its row changes, or on 20" in reason
    assert len(company.imports()) == sent
    with company.store.read() as connection:  # the company's table goes on telling it, too
        told = connection.scalars(select(observation.c.email)).all()
    assert told == [POISON]


def test_a_row_that_was_mended_is_sent_at_once(company: Company) -> None:
    _poisoned(company)
    company.sandbox.clear_faults()
    company.next_day()
    company.has(POISON, first_name="Grace")
    counts = company.sync().counts
    assert (counts.new, counts.confirmed, counts.refused) == (1, 1, 0)
    company.next_day()
    assert company.sync().exit_code is ExitCode.DONE


def test_it_is_tried_again_after_some_days(company: Company) -> None:
    _poisoned(company)
    _days(company, 6.9)
    assert company.sync().counts.new == 0
    _days(company, 0.2)
    counts = company.sync().counts
    assert (counts.new, counts.refused) == (1, 1)
    company.sandbox.clear_faults()
    _days(company, 1)
    assert company.sync().counts.new == 0  # it was refused just now
    _days(company, 7)
    assert company.sync().counts.confirmed == 1
    assert POISON in company.on_a_list()


def test_none_waits_when_so_configured(company_with: CompanyWith) -> None:
    company = _poisoned(company_with(api={"refused_again_days": 0}))
    assert company.sync().counts.new == 1


def test_none_waits_when_many_are_refused(company: Company) -> None:
    company.has(*people(30))
    company.sandbox.plan_activity(Plan("partial", share=0.0))
    assert company.sync().counts.refused == 30
    assert company.sync().counts.confirmed == 30


@pytest.mark.parametrize("end", ["cancelled", "vanish"])
def test_none_waits_for_what_was_no_fault_of_theirs(company: Company, end: str) -> None:
    company.has(*people(5))
    company.sandbox.plan_activity(Plan(end, count=3))  # type: ignore[arg-type]
    company.sync()
    assert company.sync().counts.refused == 0
    assert company.on_a_list() == {*people(5)}


def test_a_changed_contact_that_was_refused_keeps_what_it_was(company: Company) -> None:
    company.has(*people(30), first_name="Ada")
    company.sync()
    company.sandbox.plan_activity(Plan("partial", share=0.0, holds=POISON))
    company.has(POISON, first_name="Grace")
    assert company.sync().counts.refused == 1
    sent = len(company.imports())
    company.has(POISON, first_name="Ada")
    assert company.sync().counts.unchanged == 30
    assert len(company.imports()) == sent
    company.has(POISON, first_name="Grace")
    assert company.sync().counts.confirmed == 1  # the source has said otherwise meanwhile


def test_a_plan_counts_them_too(company: Company, capsys: pytest.CaptureFixture[str]) -> None:
    _poisoned(company)
    recording = company.dry_run()
    assert (recording.counts.new, recording.counts.refused) == (0, 1)
    show_summary(recording)
    assert "refused before by Constant Contact" in capsys.readouterr().out
