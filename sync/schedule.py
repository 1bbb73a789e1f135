"""When the next sync is due."""

from datetime import datetime
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

from sync.settings.options import Schedule


def daily_trigger(schedule: Schedule) -> CronTrigger:
    """APScheduler's trigger for the configured time of day."""
    zone = ZoneInfo(schedule.time_zone)
    return CronTrigger(hour=schedule.time.hour, minute=schedule.time.minute, timezone=zone)


def next_run(schedule: Schedule, now: datetime) -> datetime:
    """The instant of the next sync after `now`, in the schedule's time zone."""
    due: datetime = daily_trigger(schedule).get_next_fire_time(None, now)
    return due
