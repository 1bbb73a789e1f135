"""An agency with accounts in one folder."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sync.sandbox import Sandbox
from tests.agency import Agency

MakeAgency = Callable[..., Agency]


@pytest.fixture
def make_agency(tmp_path: Path, sandbox: Sandbox) -> MakeAgency:
    """Its accounts are one account at the sandbox, whose people are told apart by their names."""
    sandbox.settings = replace(sandbox.settings, second_consent_kills_earlier=False)
    sandbox.people.add_list("Customers")

    def make(*names: str, **shared: str) -> Agency:
        agency = Agency(tmp_path / "config", sandbox, shared)
        for name in names:
            agency.has(name)
        agency.authorize(*names)
        return agency

    return make
