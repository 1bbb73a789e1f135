"""Three accounts of one application, and a quota that is too small for the first sync of one."""

from dataclasses import replace

from sync.errors import ExitCode
from sync.sandbox import Sandbox
from tests.integration.many_accounts.conftest import MakeAgency

PER_DAY = 150


def test_a_large_first_sync_leaves_the_others_their_daily_runs(
    make_agency: MakeAgency, sandbox: Sandbox
) -> None:
    sandbox.settings = replace(sandbox.settings, requests_per_day=PER_DAY)
    limits = (
        f'base_url = "{sandbox.api_url}"\nrequests_per_second = 1000\nbatch_contacts = 10\n'
        f"requests_per_day = {PER_DAY}\nrequests_reserved = 15"
    )
    # One after another, the greedy one first.
    agency = make_agency("a-large", "b", "c", api=limits, worker="parallel_runs = 1")
    agency.has("a-large", people=2_000)
    done = agency.run("--run-now")
    assert done.code == ExitCode.BUSY, done.out
    assert "b: 1 contact sent" in done.out
    assert "c: 1 contact sent" in done.out
    assert "2 other accounts of the application that still want some today" in done.out
    large = [email for email in sandbox.people.audience() if email.startswith("a-large")]
    used = len(sandbox.requests(path="/v3"))
    assert 0 < len(large) < 2_000
    assert used < PER_DAY
    # What the others have left is its own now.
    done = agency.run("--run-now", "--account", "a-large")
    assert done.code == ExitCode.BUSY, done.out + done.err
    more = [email for email in sandbox.people.audience() if email.startswith("a-large")]
    assert len(more) > len(large)
    assert used < len(sandbox.requests(path="/v3")) <= PER_DAY
    assert {entry.status for entry in sandbox.requests(path="/v3")} <= {200, 201}
