"""A token of another account than the pinned one sends nothing, and reads nothing for a plan."""

import pytest

from sync.auth.authorize import begin, code_from_pasted
from sync.auth.token_endpoint import TokenEndpoint
from sync.auth.vault import AnotherAccount
from tests.integration.engine.company import Company


def take_the_tokens_of_another_account(company: Company) -> None:
    account, _ = company.sandbox.add_account("Another company", "boss@another.example.com")
    request = begin(company.settings)
    pressed = company.sandbox.press_allow(request.url, account=account.number)
    code = code_from_pasted(request, pressed)
    endpoint = TokenEndpoint(company.settings, company.clock)
    answer = endpoint.exchange_code(code, request.verifier)
    company.vault.keep(answer, encoded_account_id=None)


def test_a_token_of_another_account_sends_nothing(company: Company) -> None:
    company.has("ada@example.com", first_name="Ada")
    company.sync()
    company.next_day()
    company.has("ada@example.com", first_name="Grace")
    take_the_tokens_of_another_account(company)
    since = len(company.sandbox.requests())
    for plan in (company.sync, company.dry_run):
        with pytest.raises(AnotherAccount):
            plan()
    asked = {entry.path for entry in company.sandbox.requests(since=since)}
    assert asked == {"/v3/account/summary"}
    assert company.sandbox.people.contact("ada@example.com")["first_name"] == "Ada"


def test_the_first_run_pins_the_account(company: Company) -> None:
    company.has("ada@example.com")
    company.sync()
    assert company.vault.status().encoded_account_id
