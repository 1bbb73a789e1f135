"""What the hardware allows: DuckDB reads, cleans, writes each contact's JSON, and hashes it.

python -m tests.bench.limit CSV DATABASE
"""

import sys

import duckdb

from tests.bench.people import COLUMNS


def main(source: str, database: str) -> None:
    """Leave a table of addresses, JSON and hashes of 128 bits, as our staged contacts are."""
    cleaned = ", ".join(
        "lower(trim(email)) AS email" if name == "email" else f"nullif(trim({name}), '') AS {name}"
        for name in COLUMNS
    )
    with duckdb.connect(database) as connection:
        connection.execute(
            f"""
            CREATE TABLE contacts AS
            SELECT email, contact, md5_number(contact) AS fingerprint
            FROM (
                SELECT email, CAST(to_json(cleaned) AS VARCHAR) AS contact
                FROM (SELECT {cleaned} FROM read_csv(?, header = true, all_varchar = true)) cleaned
            )
            """,
            [source],
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
