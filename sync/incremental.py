"""Whether a run reads the whole source or only what changed since the last one.

A partial read gives only new and changed rows. A contact that it does not give is not unchanged and
not gone: nothing is known of it, so nothing becomes of it, and neither the number of gone contacts
nor the guard against a shrunk source is looked at. What the changed column does not tell (deleted
rows, rows that left the query's result, changes that did not touch the column) is made up for by
reading all rows every so many days, and whenever the configuration of source or contacts changed.
How far the reading has come is noted only once all that was read is confirmed.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from sqlalchemy import make_url

from sync.settings import Settings
from sync.source import ContactSource
from sync.state.source_marks import SourceMark, set_source_mark, source_mark_of
from sync.state.store import Store

# The sections that decide which contacts come of the same rows.
_SECTIONS = ("source", "mapping", "consent", "suppression", "duplicates", "lists", "tags")
# What says only how and when the source is read.
_HOW = {"password", "query_timeout", "chunk_rows", "changed_overlap", "full_every_days"}


@dataclass(frozen=True, slots=True)
class Reading:
    """One run's reading: from `since` on, or whole when it is None."""

    configuration: str
    since: str | None
    full_at: datetime


def begin_reading(settings: Settings, store: Store, now: datetime) -> Reading:
    """Decide how much is read."""
    configuration = configuration_digest(settings)
    if settings.source.changed_column is None:
        return Reading(configuration, None, now)
    with store.read() as connection:
        mark = source_mark_of(connection, settings.account.name)
    full_every = timedelta(days=settings.source.full_every_days)
    if mark is None or not mark.allows_partial(configuration, now, full_every):
        return Reading(configuration, None, now)
    return Reading(configuration, mark.newest, mark.full_at)


def remember_reading(
    settings: Settings, store: Store, reading: Reading, source: ContactSource
) -> None:
    """Note how far the source is synced; only when everything that was read is confirmed."""
    if source.newest is None:
        return
    mark = SourceMark(reading.configuration, source.newest, reading.full_at)
    with store.write() as connection:
        set_source_mark(connection, settings.account.name, mark)


def configuration_digest(settings: Settings) -> str:
    """What decides about the contacts, in short: another digest means another plan.

    Secrets are no part of it: pydantic writes them as stars, and the address goes without.
    """
    url = settings.source.url
    parts = [make_url(url.get_secret_value()).render_as_string() if url else ""]
    parts += [
        getattr(settings, section).model_dump_json(exclude=_HOW if section == "source" else None)
        for section in _SECTIONS
    ]
    return blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()
