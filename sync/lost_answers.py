"""Looking for the activity of a request whose answer was lost, among those of the account.

The list of activities names neither kind nor payload (the contract's Activity), so what can be told
is only that an activity of that time, of about that many contacts, is nobody's yet.
"""

from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta

from sync.api.imports import Activity, list_activities
from sync.api.session import ApiSession

# After a lost answer, how long the service may still need to list the activity.
UNTIL_LISTED = timedelta(seconds=5)
# An activity is looked for from this long before its posting to this long after: clocks differ.
_CLOCK_SKEW = timedelta(hours=1)


def find_unclaimed(
    session: ApiSession, known: AbstractSet[str], contacts: int | None, posting_at: datetime
) -> Activity | None:
    """The activity nearest to the posting that is not among the `known` ones.

    Args:
        known: The ids of activities that are somebody's.
        contacts: How many contacts it must be of, where the activity says so.
    """
    candidates = [
        activity
        for activity in list_activities(session)
        if activity.activity_id not in known
        and _distance(activity, posting_at) <= _CLOCK_SKEW
        and activity.status.person_count in (None, contacts)
    ]
    return min(candidates, key=lambda each: _distance(each, posting_at), default=None)


def _distance(activity: Activity, posting_at: datetime) -> timedelta:
    if activity.created_at is None:
        return _CLOCK_SKEW
    return abs(activity.created_at - posting_at)
