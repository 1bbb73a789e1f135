"""What the columns of the state's tables are, the same on SQLite, PostgreSQL and MariaDB."""

import datetime as dt
from typing import Any

from sqlalchemy import BigInteger, Dialect, Integer, String, TypeDecorator

# What SQLAlchemy calls MariaDB, by the address.
MARIADB = ("mysql", "mariadb")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


class Instant(TypeDecorator[dt.datetime]):
    """An aware UTC instant, stored as whole microseconds since 1970.

    The databases' own date types differ in precision, in range and in what they do to a time
    zone; an integer is the same everywhere and is compared by the database itself.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> dt.datetime | None:  # noqa: ARG002
        return None if value is None else _EPOCH + value * _MICROSECOND


# Addresses must be compared byte by byte everywhere; MariaDB's default collation would not.
OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in MARIADB
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}
# Rows lie in the order of their primary key, as they do on MariaDB anyway: reading them in that
# order is reading from front to back, and there is no second tree to keep.
IN_ORDER: dict[str, Any] = {"sqlite_with_rowid": False}
SERIAL = BigInteger().with_variant(Integer, "sqlite")
ACCOUNT = String(64)
EMAIL = String(100)
UUID = String(36)
