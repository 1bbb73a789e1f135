"""The step of a run that tells the company what people did on the other side."""

from collections.abc import Callable, Iterator
from datetime import datetime
from hashlib import blake2b

import structlog

from sync.errors import ConfigurationError
from sync.feedback.failure import FeedbackFailed
from sync.feedback.file import write_file
from sync.feedback.table import FeedbackTable
from sync.settings import Settings
from sync.state import feedback
from sync.state.feedback import Line
from sync.state.store import Store
from sync.stop import Stop

_log = structlog.get_logger()


def feed_back(settings: Settings, store: Store, now: datetime, stop: Stop) -> list[str]:
    """Write the file and the table that are configured; returns what failed, in sentences.

    The file is written whole. The table gets what was seen or has ended since it was last written,
    or all when it is new. Raises StateError or StopRequested.
    """
    options = settings.feedback
    targets: list[Callable[[], None]] = []
    if options.file is not None:
        path = options.file
        targets.append(lambda: write_file(path, _checked(settings, store, stop)))
    if options.url is not None:
        targets.append(lambda: _write_table(settings, store, now, stop))
    failed: list[str] = []
    for write in targets:
        try:
            write()
        except (FeedbackFailed, ConfigurationError) as error:
            _log.warning("the company could not be told", reason=str(error))
            failed.append(f"{error} The sync is done all the same; the next run tries again.")
    return failed


def _checked(settings: Settings, store: Store, stop: Stop) -> Iterator[list[Line]]:
    for page in feedback.pages(store, settings.account.name, None):
        stop.check()
        yield page


def _write_table(settings: Settings, store: Store, now: datetime, stop: Stop) -> None:
    account = settings.account.name
    table = FeedbackTable(settings.feedback, settings.feedback_password)
    # Another table, or one in another database, must be told everything.
    configuration = blake2b(table.address.encode(), digest_size=16).hexdigest()
    with store.read() as connection:
        since = feedback.told_until(connection, account, configuration)
    written = table.write(
        lambda made: feedback.pages(store, account, None if made else since), stop
    )
    with store.write() as connection:
        feedback.set_told_until(connection, account, configuration, now)
    _log.info("company_told", table=table.address, lines=written)
