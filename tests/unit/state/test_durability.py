"""For which transactions a commit waits until the disk has it."""

from sqlalchemy import Connection

from sync.state.store import Store


def waits(connection: Connection) -> bool:
    match connection.dialect.name:
        case "sqlite":
            # 1 is NORMAL, 2 is FULL (https://sqlite.org/pragma.html#pragma_synchronous).
            return connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        case "postgresql":
            return connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
        case _:
            return True  # MariaDB does always: that can't be chosen for one transaction


def test_a_write_waits_unless_it_need_not(store: Store) -> None:
    """One after another on the same connection, since the pool gives it back."""
    found = []
    for durable in (True, False, True):
        with store.write(durable=durable) as connection:
            found.append(waits(connection))
    with store.write() as connection:
        found.append(waits(connection))
    always = store.engine.dialect.name not in ("sqlite", "postgresql")
    assert found == [True, always, True, True]
