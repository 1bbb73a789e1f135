"""Who may send a request, when several accounts share an application's pace and quota.

Pure. The pace is dealt in turn: of those who wait, the one who was served longest ago goes first.
Of the day's requests each account gets as many as every other one that still wants some today;
what an account has left over when it has done its work is everybody's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# Who waits asks this often, and who has not asked for longer has gone.
ASK_EVERY = timedelta(seconds=0.5)
GONE_AFTER = 3 * ASK_EVERY
# After the last of the others has begun, it may have left something over.
_AFTER_OTHERS = timedelta(minutes=30)
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Claim:
    """An account's place in the row: when it last asked for a request, and last got one."""

    account: str
    asked_at: datetime | None = None
    served_at: datetime | None = None


def is_next(mine: Claim, others: Iterable[Claim], now: datetime) -> bool:
    """Whether nobody waits who was served longer ago."""
    waiting = (
        other
        for other in others
        if other.asked_at is not None and abs(now - other.asked_at) < GONE_AFTER
    )
    return all(_turn(mine) < _turn(other) for other in waiting)


def _turn(claim: Claim) -> tuple[datetime, str]:
    return claim.served_at or _NEVER, claim.account


def fair_share(pool: int, used: Sequence[int]) -> int:
    """The most requests that each of some accounts may use, so that all can have as many.

    Args:
        pool: The requests of the day that are theirs, used ones included.
        used: How many each of them has used; who has used more than the share gives none back.
    """
    share = 0
    rest = sorted(used)
    while rest:
        share = max(0, pool // len(rest))
        if rest[-1] <= share:
            break
        pool -= rest.pop()
    return share


def wait_until(last_begins: datetime, now: datetime) -> datetime:
    """When the others, of whom the last one begins then, may have left something over."""
    return max(now, last_begins) + _AFTER_OTHERS
