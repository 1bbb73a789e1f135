"""An office with an authorized account."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sync.sandbox import Sandbox
from tests.integration.main_road.office import Office

MakeOffice = Callable[..., Office]


@pytest.fixture
def make_office(tmp_path: Path, sandbox: Sandbox) -> MakeOffice:
    def make(environment: dict[str, str] | None = None, **options: list[str]) -> Office:
        return Office(tmp_path / "office", sandbox, environment or {}, options)

    return make


@pytest.fixture
def office(make_office: MakeOffice) -> Office:
    """One that may run at once."""
    opened = make_office()
    opened.authorize()
    return opened
