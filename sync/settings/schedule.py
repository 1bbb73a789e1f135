"""The options about when the worker syncs."""

import datetime as dt
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.triggers.cron import CronTrigger
from pydantic import Field, field_validator
from pydantic_core import PydanticKnownError

from sync.settings.section import Section


class Schedule(Section):
    """When the worker syncs."""

    time: dt.time = Field(
        dt.time(3, 30),
        description="The time of day of the daily sync, HH:MM. When the clocks are set forward "
        "over it, the sync is an hour later by that clock; when they are set back, it is not done "
        "twice.",
    )
    cron: str | None = Field(
        None,
        description="Instead of the daily time: a cron expression of minute, hour, day of month, "
        "month and day of week (0 is Monday; names such as mon are clearer).",
        examples=["30 3 * * mon-fri"],
    )
    time_zone: str = Field(
        "UTC", description="The time zone of that time, an IANA name such as America/New_York."
    )
    jitter: dt.timedelta = Field(
        dt.timedelta(0),
        ge=dt.timedelta(0),
        le=dt.timedelta(hours=12),
        description="Each sync begins up to so much later, by another part of it each day, so "
        "that many accounts don't begin at once. Seconds, or an ISO 8601 duration.",
    )
    catch_up_within: dt.timedelta = Field(
        dt.timedelta(hours=12),
        ge=dt.timedelta(0),
        description="A sync that was missed (the machine was off) is made up for when no more "
        "than this has passed since; else the next one on schedule is waited for. Seconds, or an "
        "ISO 8601 duration.",
    )
    retries: tuple[dt.timedelta, ...] = Field(
        (dt.timedelta(minutes=15), dt.timedelta(hours=1), dt.timedelta(hours=3)),
        max_length=20,
        description="How long after each failure a sync is tried again, until the next one on "
        "schedule. What a person must mend is not tried again. Seconds, or ISO 8601 durations.",
    )

    @field_validator("time", mode="before")
    @classmethod
    def _no_seconds(cls, time: object) -> object:
        if isinstance(time, int | float):  # taken for seconds since midnight
            raise PydanticKnownError("time_type")
        return time

    @field_validator("retries")
    @classmethod
    def _not_at_once(cls, retries: tuple[dt.timedelta, ...]) -> tuple[dt.timedelta, ...]:
        if any(pause < dt.timedelta(minutes=1) for pause in retries):
            raise ValueError("has a pause of less than a minute")
        return retries

    @field_validator("cron")
    @classmethod
    def _readable_cron(cls, cron: str | None) -> str | None:
        if cron is not None:
            try:
                CronTrigger.from_crontab(cron, timezone=dt.UTC)
            except ValueError as error:
                raise ValueError(f"is not a cron expression: {error}") from None
        return cron

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("is not a time zone's IANA name such as Europe/Berlin") from None
        return name
