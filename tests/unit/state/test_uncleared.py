"""Fields that are to be cleared, found among many contacts of whom nothing is."""

from sqlalchemy import update

from sync.state import staging, uncleared
from sync.state.schema import contact
from sync.state.store import Store, open_store
from tests.conftest import SettingsFor
from tests.unit.state.test_staging import Town

_STEPS_AT_ONCE = 100


def test_looking_for_whom_to_clear_grows_no_faster_than_the_contacts(
    settings_for: SettingsFor,
) -> None:
    with open_store(settings_for()) as store:
        few, many = (_steps(store, number) for number in (1_000, 4_000))

    # Four times as many; sixteen times, if each contact were looked for among all.
    assert few < many < 8 * few


def _steps(store: Store, contacts: int) -> int:
    """How many steps SQLite takes (in portions) to find so many who are all to be cleared."""
    town = Town(store, f"account{contacts}")
    people = [(f"p{number}@x.org", "1") for number in range(contacts)]
    town.sync(people)
    run_id = town.stage(people)
    with store.write() as connection:
        staging.all_staged(connection)
        ours = contact.c.account == town.account
        connection.execute(update(contact).where(ours).values(uncleared='["first_name"]'))
    steps = 0

    def one_more() -> int:
        nonlocal steps
        steps += 1
        return 0

    with store.read() as connection:
        sqlite = connection.connection.driver_connection
        assert sqlite is not None
        sqlite.set_progress_handler(one_more, _STEPS_AT_ONCE)
        found = uncleared.count(connection, town.account, run_id, changed=0)
        sqlite.set_progress_handler(None, 0)
    assert found == contacts
    return steps
