"""The example for Docker is valid, and is what its guide says."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from sync.settings import CREDENTIALS
from tests.zygote import ROOT

FOLDER = ROOT / "sync" / "cluster"
GUIDE = (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def compose() -> dict[str, Any]:
    text = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def test_it_starts_a_database_and_three_workers_once_that_is_ready(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == {"database", "worker"}
    assert services["worker"]["deploy"]["replicas"] == 3
    assert services["worker"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert "three workers" in GUIDE


def test_each_secret_has_a_file_that_the_guide_makes_and_a_name_that_is_read(
    compose: dict[str, Any],
) -> None:
    worker, files = compose["services"]["worker"], compose["secrets"]
    assert set(worker["secrets"]) <= set(CREDENTIALS)
    used = {name for service in compose["services"].values() for name in service["secrets"]}
    assert used == set(files)
    made = set(re.findall(r"> (secrets/\w+)", GUIDE))
    assert {each["file"].removeprefix("./") for each in files.values()} == made


def test_what_the_image_copies_is_there_and_what_it_installs_is_an_extra(
    compose: dict[str, Any],
) -> None:
    build = compose["services"]["worker"]["build"]
    # None of the folder in which the secrets and the contacts are.
    assert build["context"].startswith("${CONTACT_SYNC_SOURCE:?")
    assert "export CONTACT_SYNC_SOURCE=" in GUIDE
    lines = [shlex.split(line) for line in build["dockerfile_inline"].splitlines()]
    copied = [name for words in lines if words[0] == "COPY" for name in words[1:-1]]
    assert copied
    assert all((ROOT / name).exists() for name in copied)
    extras = re.search(r"\.\[([\w,]+)\]", build["dockerfile_inline"])
    assert extras is not None
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert all(f"\n{name} = [" in declared for name in extras[1].split(","))


def test_the_volumes_are_the_folders_that_the_guide_s_configuration_names(
    compose: dict[str, Any],
) -> None:
    places = [volume.split(":")[1] for volume in compose["services"]["worker"]["volumes"]]
    assert places == ["/etc/contact-sync", "/srv/sources", "/var/lib/contact-sync"]
    for place in places[1:]:
        assert f'"{place}' in GUIDE
    assert Path(FOLDER, "compose.yaml").name in GUIDE
