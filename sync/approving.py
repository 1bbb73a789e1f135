"""Whether a plan can be carried out still: it waits, and would come about in the same way today."""

from dataclasses import dataclass

from sync.destination import stand_in
from sync.errors import UsageError
from sync.incremental import configuration_digest
from sync.settings import Settings
from sync.state import kept_plans
from sync.state.id_sets import LISTS, TAGS
from sync.state.kept_plans import KeptPlan
from sync.state.planned import GroupNames
from sync.state.runs import Counts, Runs
from sync.state.store import Store


@dataclass(frozen=True, slots=True)
class Approvable:
    """A plan that waits, and the counts of the run that made it."""

    plan: KeptPlan
    counts: Counts


def approvable(settings: Settings, store: Store, number: int) -> Approvable:
    """The plan of run `number`; raises UsageError, which says why it can't be approved."""
    account = settings.account.name
    with store.read() as connection:
        plan = kept_plans.find(connection, account, number)
    made_by = Runs(store, account).find(number)
    if plan is None or made_by is None:
        raise UsageError(
            f"There is no plan of a run {number} that waits: contact-sync plan show tells which "
            "one does."
        )
    if plan.dry_run:
        raise UsageError(
            f"Run {number} was a dry run, whose plan is there to be looked at; start a sync with "
            "contact-sync --run-now."
        )
    if plan.settled_by is not None:
        become = (
            f"has been approved already, as run {plan.settled_by}"
            if plan.approved
            else f"is out of date: run {plan.settled_by} has planned since"
        )
        raise UsageError(
            f"The plan of run {number} {become}; contact-sync plan show tells whether one waits."
        )
    if plan.configuration != configuration_digest(settings):
        raise UsageError(
            f"What the configuration says about the contacts has changed since run {number} "
            "planned: plan anew with contact-sync --run-now."
        )
    return Approvable(plan, made_by.counts)


def group_names(settings: Settings, store: Store, plan: KeptPlan) -> GroupNames:
    """How the plan's lists and tags are called, also those that it would make."""
    account = settings.account.name
    with store.read() as connection:
        lists = LISTS.remembered(connection, account)
        tags = TAGS.remembered(connection, account)
    lists |= {name: stand_in(name) for name in plan.missing_lists}
    tags |= {name: stand_in(name) for name in plan.missing_tags}
    return GroupNames(
        {each: name for name, each in lists.items()}, {each: name for name, each in tags.items()}
    )
