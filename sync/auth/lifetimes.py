"""How long tokens live: pure decisions, to which the present comes as an argument.

All instants are of this machine's clock, which may differ from the service's by an hour: a
token's life is a duration, counted from the instant at which we asked for it.
"""

import base64
import json
import math
from datetime import datetime, timedelta

# Constant Contact's access tokens are said to live 24 hours; RFC 6749, section 5.1, allows the
# documented lifetime where an answer names none. One that is too long costs a single 401.
DOCUMENTED_LIFE = timedelta(hours=24)
_SHORTEST_LIFE = timedelta(minutes=1)
_LONGEST_LIFE = timedelta(days=31)

# A refresh token that isn't used for 180 days dies
# (https://community.constantcontact.com, "Refresh token expiry", thread 402882).
DISUSE_LIMIT = timedelta(days=180)
WARN_BEFORE = (timedelta(days=3), timedelta(days=14), timedelta(days=30))

# With less than this left, an access token may expire on its way.
_TRAVEL_TIME = timedelta(minutes=1)


def life_of(expires_in: object, access_token: str) -> timedelta:
    """An access token's life: what the answer says and the token itself, the shorter of both.

    A value that can't be (missing, no number, below a minute, above a month) is passed over.
    """
    named = [life for life in (_seconds(expires_in), _life_in_jwt(access_token)) if _sane(life)]
    return min((life for life in named if life is not None), default=DOCUMENTED_LIFE)


def is_alive(expires_at: datetime, now: datetime) -> bool:
    """Whether an access token can still be used for a request."""
    return expires_at - now > _TRAVEL_TIME


def is_due(
    issued_at: datetime, expires_at: datetime, now: datetime, minimum_life: timedelta
) -> bool:
    """Whether an access token is too old for the work ahead.

    A token that is short-lived from birth is not renewed before half of its life: `minimum_life`
    alone would renew it again and again.
    """
    return expires_at - now < min(minimum_life, (expires_at - issued_at) / 2)


def refresh_token_dies_at(issued_at: datetime) -> datetime:
    """When a refresh token dies of disuse."""
    return issued_at + DISUSE_LIMIT


def disuse_warning(issued_at: datetime, now: datetime) -> str | None:
    """The sentence for a person once a refresh token is within 30, 14 or 3 days of its death."""
    left = refresh_token_dies_at(issued_at) - now
    if left <= timedelta(0):
        return (
            "The refresh token has not been used for 180 days and is dead by Constant Contact's "
            "rules: run contact-sync authorize."
        )
    if left > WARN_BEFORE[-1]:
        return None
    urgency = next(name for name, limit in zip(_URGENCY, WARN_BEFORE, strict=True) if left <= limit)
    days = math.ceil(left / timedelta(days=1))
    return (
        f"{urgency}: the refresh token dies of disuse in {days} day{'s' if days != 1 else ''}, "
        "since refreshing has failed or was switched off for months: see contact-sync status, "
        "then contact-sync check; contact-sync authorize starts anew."
    )


_URGENCY = ("Very urgent", "Urgent", "Take care")


def _seconds(expires_in: object) -> timedelta | None:
    if isinstance(expires_in, bool) or not isinstance(expires_in, int | float | str):
        return None
    try:
        return timedelta(seconds=float(expires_in))
    except (ValueError, OverflowError):
        return None


def _life_in_jwt(token: str) -> timedelta | None:
    """`exp` less `iat`: free of both clocks. The signature is not ours to check: the token is
    read only for its own lifetime (RFC 7519, section 4.1)."""
    claims = _claims(token)
    expires, issued = claims.get("exp"), claims.get("iat")
    if isinstance(expires, int | float) and isinstance(issued, int | float):
        return _seconds(expires - issued)
    return None


def _claims(token: str) -> dict[str, object]:
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _sane(life: timedelta | None) -> bool:
    return life is not None and _SHORTEST_LIFE <= life <= _LONGEST_LIFE
