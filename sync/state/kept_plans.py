"""Plans that are kept for a person: what the guard has stopped, and what a dry run has planned.

A plan's staged contacts stay until it is approved, or until another run of the account has made a
plan of its own, which then says what is to be done.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, insert, select, update

from sync.portions import portions
from sync.state.comparison import TO_SEND, Action
from sync.state.schema import kept_plan, run, staged

_FETCHED_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPlan:
    """A plan; it waits as long as `settled_by`, the run that approved or replaced it, is None.

    Attributes:
        run_id: The run that made it.
        staged_as: Under which run its contacts are staged: its own, or the one that has begun to
            carry it out.
        configuration: A digest of what decides about the contacts.
        partial: Whether only what changed in the source was read for it.
        missing_lists: The names of the lists that it would make, as `missing_tags` are tags'.
    """

    run_id: int
    configuration: str
    source: str
    header: tuple[str, ...]
    missing_lists: tuple[str, ...] = ()
    missing_tags: tuple[str, ...] = ()
    staged_as: int = 0
    dry_run: bool = False
    partial: bool = False
    approved: bool = False
    settled_by: int | None = None


def keep(connection: Connection, account: str, plan: KeptPlan) -> None:
    """Keep the plan of a run, whose contacts are staged."""
    connection.execute(
        insert(kept_plan).values(
            run_id=plan.run_id,
            account=account,
            staged_as=plan.run_id,
            configuration=plan.configuration,
            source=plan.source,
            header=_written(plan.header),
            missing_lists=_written(plan.missing_lists),
            missing_tags=_written(plan.missing_tags),
            approved=False,
        )
    )


def replace_others(connection: Connection, account: str, run_id: int, *, dry_run: bool) -> None:
    """Note that a run has planned: what waited is past. A dry run replaces other dry runs' alone.

    Their contacts are forgotten by the next `staging.discard_settled`.
    """
    ours = select(run.c.id).where(run.c.account == account)
    if dry_run:
        ours = ours.where(run.c.dry_run)
    waiting = and_(kept_plan.c.account == account, kept_plan.c.settled_by.is_(None))
    connection.execute(
        update(kept_plan)
        .where(waiting, kept_plan.c.run_id != run_id, kept_plan.c.run_id.in_(ours))
        .values(settled_by=run_id)
    )


def find(connection: Connection, account: str, run_id: int) -> KeptPlan | None:
    """The plan of a run, whatever has become of it."""
    return _first(connection, account, run_id=run_id)


def newest(connection: Connection, account: str, *, dry_runs: bool) -> KeptPlan | None:
    """The newest plan that waits; with `dry_runs` also one that is only there to be looked at."""
    return _first(connection, account, dry_runs=dry_runs)


def take_over(connection: Connection, plan: KeptPlan, run_id: int) -> None:
    """Let a run carry the plan out: its contacts become the run's.

    Whom the plan would not have sent stays left out, whatever the next comparison says.
    """
    theirs = staged.c.run_id == plan.staged_as
    if plan.staged_as == plan.run_id:
        connection.execute(
            update(staged)
            .where(theirs, staged.c.action.not_in(TO_SEND))
            .values(action=Action.LEFT_OUT)
        )
    connection.execute(update(staged).where(theirs).values(run_id=run_id))
    connection.execute(
        update(kept_plan).where(kept_plan.c.run_id == plan.run_id).values(staged_as=run_id)
    )


def addresses(connection: Connection, run_id: int) -> Iterator[tuple[int, str]]:
    """(row, address) of those whom the plan that a run carries out may send to."""
    rows = connection.execute(
        select(staged.c.row, staged.c.email).where(
            staged.c.run_id == run_id, staged.c.action != Action.LEFT_OUT
        ),
        execution_options={"yield_per": _FETCHED_AT_ONCE},
    )
    yield from rows


def leave_out(connection: Connection, run_id: int, rows: Sequence[int]) -> None:
    """Send these rows no more."""
    for some in portions(rows):
        connection.execute(
            update(staged)
            .where(staged.c.run_id == run_id, staged.c.row.in_(some))
            .values(action=Action.LEFT_OUT)
        )


def approve(connection: Connection, plan: KeptPlan, run_id: int) -> None:
    """Note that a run has sent what the plan sends."""
    connection.execute(
        update(kept_plan)
        .where(kept_plan.c.run_id == plan.run_id)
        .values(approved=True, settled_by=run_id)
    )


def _first(
    connection: Connection, account: str, *, run_id: int | None = None, dry_runs: bool = True
) -> KeptPlan | None:
    wanted = (
        select(kept_plan, run.c.dry_run, run.c.partial)
        .join(run, run.c.id == kept_plan.c.run_id)
        .where(kept_plan.c.account == account)
        .order_by(kept_plan.c.run_id.desc())
        .limit(1)
    )
    if run_id is not None:
        wanted = wanted.where(kept_plan.c.run_id == run_id)
    else:
        wanted = wanted.where(kept_plan.c.settled_by.is_(None))
    if not dry_runs:
        wanted = wanted.where(~run.c.dry_run)
    row = connection.execute(wanted).first()
    if row is None:
        return None
    return KeptPlan(
        run_id=row.run_id,
        configuration=row.configuration,
        source=row.source,
        header=_read(row.header),
        missing_lists=_read(row.missing_lists),
        missing_tags=_read(row.missing_tags),
        staged_as=row.staged_as,
        dry_run=row.dry_run,
        partial=row.partial,
        approved=row.approved,
        settled_by=row.settled_by,
    )


def _written(names: Sequence[str]) -> str:
    return json.dumps(list(names), ensure_ascii=False)


def _read(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))
