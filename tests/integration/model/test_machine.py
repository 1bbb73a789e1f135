"""Random lives of a company: whatever is edited, refused, lost or killed, the rules hold.

Edits of the source and on the other side, faults of every kind, kills and days follow each other
at random. After each quiet run the sandbox's audience must be what `rules` says.
"""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import structlog
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from sync.errors import ContactSyncError, GuardStopped
from sync.sandbox import Fault, Plan, Sandbox
from tests.conftest import QUICK, SettingsFor
from tests.integration.model.events import ROWS, Events
from tests.integration.model.mortal import Killed, Life
from tests.integration.model.office import IMPORTS, Office, archive
from tests.integration.model.rules import LISTS, OWNED, TAGS, Gone, Look, Rules
from tests.integration.model.troubles import BAD_END, FAULTS

PEOPLE = 4
BYSTANDER = "bystander@example.com"
# A token pair of its own kind, since the pair's kills are another test's.
SETTINGS = replace(QUICK, refresh_token_kind="long-lived", expires_in=timedelta(days=3650))
SHARDS = 4
# The suite lives the same lives each time, so that a failure is of a change; `make soak` others.
SEED = 883511645
_EVENTS = 6

# A run has about as many steps.
_steps = st.integers(0, 130)


class Company(RuleBasedStateMachine):
    """A company's days; `new_office` is set by the test."""

    new_office: Callable[..., Office]

    def __init__(self) -> None:
        super().__init__()
        self.office: Office | None = None
        self.fine = True

    @initialize(
        synced=st.sampled_from([True, True, False]),
        everybody=st.sampled_from([set(), {"Customers"}]),
        keyed=st.booleans(),
        owned=st.sampled_from([False, False, True]),
        full_every_runs=st.sampled_from([1, 7, 7, 7]),
        verify_every_runs=st.sampled_from([0, 0, 0, 1]),
        repair=st.booleans(),
        api=st.fixed_dictionaries(
            {
                "batch_contacts": st.sampled_from([1, 2, 1000]),
                "batches_in_flight": st.sampled_from([1, 4]),
                "refused_again_days": st.sampled_from([0, 7]),
            }
        ),
        guard=st.fixed_dictionaries(
            {},
            optional={
                "max_changed": st.sampled_from([0, 1]),
                "max_removed": st.just(0),
            },
        ),
        moves=st.sampled_from([False, False, True]),
        puts_back=st.sampled_from([True, True, False]),
        gone=st.builds(
            Gone,
            st.sampled_from(["keep", "remove_from_lists", "delete"]),
            st.integers(1, 2),
        ),
        rows=st.lists(st.tuples(st.integers(0, PEOPLE - 1), ROWS), max_size=6),
        data=st.data(),
    )
    def opens(
        self,
        synced: bool,
        everybody: set[str],
        keyed: bool,
        owned: bool,
        full_every_runs: int,
        verify_every_runs: int,
        repair: bool,
        api: dict[str, int],
        guard: dict[str, int],
        moves: bool,
        puts_back: bool,
        gone: Gone,
        rows: list[tuple[int, dict[str, str]]],
        data: Any,
    ) -> None:
        office = type(self).new_office(
            source={"key_column": "id" if keyed else None},
            mapping={"owned_by_constant_contact": [OWNED] if owned else []},
            lists={"names": sorted(everybody), "column": "list"},
            tags={"column": "tag"},
            verify={"every_runs": verify_every_runs, "repair": repair},
            api={**api, "confirmation_timeout": 60, "requests_per_second": 20},
            guard=guard,
            gone=asdict(gone),
            observe={"full_every_runs": full_every_runs},
        )
        self.office = office
        office.sandbox.settings = replace(
            SETTINGS,
            list_removal_moves_updated_at=moves,
            delete_moves_updated_at=moves,
            list_removal_on_import="put back" if puts_back else "stay off",
        )
        for name in LISTS:
            office.people.add_list(name)
        for name in TAGS:
            office.people.add_tag(name)
        office.people.add_contact(BYSTANDER, lists=("Customers",), core={"first_name": "By"})
        self.bystander = office.audience()[BYSTANDER]
        sees_all = 1 in (full_every_runs, verify_every_runs)
        self.model = Rules(PEOPLE, everybody, gone, sees_all=sees_all, owned=owned)
        self.events = Events(office, self.model, keyed)
        self.waiting = timedelta(days=api["refused_again_days"])
        self.repairs = bool(verify_every_runs) and repair
        for number, row in rows:
            self.model.row(self.model.people[number], row)
        if synced:
            self._run_in_peace(data)

    @rule(
        data=st.data(), faults=FAULTS, plans=st.lists(BAD_END, max_size=2), approves=st.booleans()
    )
    def trouble(self, data: Any, faults: list[Fault], plans: list[Plan], approves: bool) -> None:
        self.events.happen(data.draw, _EVENTS)
        for fault in faults:
            self._sandbox.add_fault(fault)
        for plan in plans:
            self._sandbox.plan_activity(plan)
        self._run(data if approves else None, None)
        self._sandbox.clear_faults()

    @rule(data=st.data(), steps=_steps, twice=st.integers(0, 60) | st.none())
    def kill(self, data: Any, steps: int, twice: int | None) -> None:
        self.events.happen(data.draw, _EVENTS)
        self._run(data, steps)
        if twice is not None:
            self._run(data, twice)

    @rule(data=st.data(), steps=_steps, plan=BAD_END)
    def kill_in_trouble(self, data: Any, steps: int, plan: Plan) -> None:
        self.events.happen(data.draw, _EVENTS)
        self._sandbox.plan_activity(plan)
        self._run(data, steps)

    @rule(data=st.data())
    def peace(self, data: Any) -> None:
        self.events.happen(data.draw, _EVENTS)
        self._run_in_peace(data)

    @rule(data=st.data())
    def repair(self, data: Any) -> None:
        self.events.happen(data.draw, _EVENTS)
        if self.model.has_source:
            before = len(self._office.changes())
            self._office.repair_in_peace()
            assert self._office.changes()[before:] == []
            self._run_in_peace(data, repaired=True)

    def teardown(self) -> None:
        """In the end nothing is left to do."""
        if self.office is None or not self.fine or not self.model.has_source:
            return
        self._run_in_peace(None)
        for _ in range(self.model.runs_until_gone):
            self._run_in_peace(None)
        before = len(self.office.changes())
        self._run_in_peace(None)
        more = [entry.path for entry in self.office.changes()[before:]]
        assert more == [], more

    # --- runs ------------------------------------------------------------------------------------

    def _run_in_peace(self, data: Any | None, *, repaired: bool = False) -> None:
        """A run after which all must be right; what the guard has stopped is approved."""
        office, before = self._office, len(self._office.changes())
        office.sandbox.advance(self.waiting)  # who was refused in trouble waits no longer
        self.events.write_source()
        if not self.model.has_source:
            with pytest.raises(GuardStopped):
                office.run_in_peace(lambda: None)
            self._check(self.model.always_wrong)
            return
        self.model.a_run_begins()
        there = office.audience()

        def when_stopped() -> None:
            nonlocal there
            self._end_there(data)
            there = office.audience()

        recording = office.run_in_peace(when_stopped)
        assert recording.counts.balanced, recording.counts
        assert office.audience()[BYSTANDER] == self.bystander
        repaired = repaired or self.repairs
        self._check(lambda found: self.model.wrong(found, there, repaired=repaired))
        self.model.seen(office.audience())
        # Nobody is imported twice by one run, but what an earlier one left is settled first.
        sent = Counter(
            contact["email"]
            for entry in office.changes()[before:]
            if entry.path == IMPORTS
            for contact in entry.body["import_data"]
        )
        assert max(sent.values(), default=0) <= 3, sent

    def _run(self, data: Any | None, steps: int | None) -> None:
        """A run that may fail; without `data` what the guard has stopped is not approved."""
        self.events.write_source()
        self.model.a_run_begins()
        when_stopped = None if data is None else lambda: self._end_there(data)
        try:
            self._office.run(when_stopped, steps)
        except (ContactSyncError, Killed):
            pass
        finally:
            self._check(self.model.always_wrong)

    def _end_there(self, data: Any | None) -> None:
        if data is not None:
            self.events.end_there(data.draw)

    # --- helpers ---------------------------------------------------------------------------------

    @property
    def _office(self) -> Office:
        assert self.office is not None
        return self.office

    @property
    def _sandbox(self) -> Sandbox:
        return self._office.sandbox

    def _check(self, look: Look) -> None:
        try:
            wrong = look(self._office.audience())
            assert wrong == [], "\n".join(wrong)
        except BaseException:
            self.fine = False
            raise


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.timeout(36_000)
def test_the_rules_hold_whatever_happens(
    shard: int,
    settings_for: SettingsFor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pytestconfig: pytest.Config,
) -> None:
    seed = pytestconfig.getoption("seed") or SEED
    print(f"seed {seed}: --seed {seed} repeats it")
    sequences = max(1, pytestconfig.getoption("sequences") // SHARDS)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    life = Life()
    life.requests_die_with_it(monkeypatch)
    with (
        Sandbox(settings=SETTINGS) as sandbox,
        archive(settings_for(sandbox), tmp_path / "empty.db") as states,
    ):

        def new_office(**sections: dict[str, Any]) -> Office:
            sandbox.clear_faults()
            sandbox.world.plans.clear()
            sandbox.world.log.clear()
            return Office(sandbox, settings_for(sandbox, **sections), life, states)

        machine = type("Company", (Company,), {"new_office": staticmethod(new_office)})
        run_state_machine_as_test(
            hypothesis.seed(seed + shard)(machine),
            settings=hypothesis.settings(
                max_examples=sequences,
                stateful_step_count=6,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
                phases=(Phase.generate,),
                report_multiple_bugs=False,
            ),
        )
