"""The options about where contacts come from and which of them may be sent."""

import datetime as dt
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from sync.settings.hosts import DatabaseAddress
from sync.settings.section import ConfiguredPath, Section


class Source(Section):
    """Where the company's contacts come from: files (path), or a database (url)."""

    path: ConfiguredPath | None = Field(
        None,
        description="The file: CSV, an Excel workbook (.xlsx) or Parquet; a CSV may be packed as "
        ".gz or .zip. Several files of the same columns by a pattern such as exports/*.csv.",
        examples=["contacts.csv"],
    )
    files: Literal["all", "newest"] = Field(
        "all",
        description="When the path is a pattern: read all files that it finds, or the one that "
        "was changed last.",
    )
    delimiter: str | None = Field(
        None,
        min_length=1,
        max_length=1,
        description="What separates the cells. Default: found in the header line, one of , ; tab |",
        examples=[";"],
    )
    encoding: str | None = Field(
        None,
        description="The file's character encoding, such as utf-8 or cp1252. Default: found in "
        "the file, and told in the summary.",
        examples=["cp1252"],
    )
    quotes: Literal["doubled", "backslash"] | None = Field(
        None,
        description="How a CSV file has quotation marks within a cell: written twice, or after a "
        "backslash as MySQL and Spark do. Default: found in the file, and told in the summary.",
        examples=["backslash"],
    )
    sheet: str | None = Field(
        None,
        description="The workbook's sheet. Default: the first one that is not hidden.",
        examples=["Contacts"],
    )
    settle: dt.timedelta = Field(
        dt.timedelta(0),
        ge=dt.timedelta(0),
        le=dt.timedelta(minutes=10),
        description="Wait until a file has not changed for so long, since it may still be being "
        "written; in seconds. A file that changes while it is read ends the run in any case.",
    )
    marker: ConfiguredPath | None = Field(
        None,
        description="A file that the export writes when it is done: without it, or when it is "
        "older than the contacts' file, the run ends.",
        examples=["contacts.done"],
    )
    max_age: dt.timedelta | None = Field(
        None,
        gt=dt.timedelta(0),
        description='The run ends when a file is older than that, such as "PT26H": the export of '
        "today did not come.",
        examples=["PT26H"],
    )
    url: DatabaseAddress | None = Field(
        None,
        description="An SQLAlchemy address of a database, instead of the path. Its password is "
        "better given by password_file.",
        examples=["postgresql+psycopg://reader@crm.example.com/crm"],
    )
    password: SecretStr | None = Field(
        None,
        description="The database's password. Leave it out here: it comes from the environment, "
        "from password_file, or as the systemd credential `source_password`.",
        examples=["secret"],
    )
    password_file: ConfiguredPath | None = Field(
        None,
        description="A file that holds only the database's password; mode 0600.",
        examples=["source_password"],
    )
    query: str | None = Field(
        None,
        description="The SELECT that gives the contacts; its columns are the source's columns.",
        examples=["SELECT email, first_name, last_name FROM customers WHERE active = 1"],
    )
    table: str | None = Field(
        None,
        description="A table or view instead of the query; schema.table is allowed.",
        examples=["crm.customers"],
    )
    query_timeout: dt.timedelta = Field(
        dt.timedelta(hours=1),
        ge=dt.timedelta(seconds=1),
        description="How long reading the database may take, in seconds.",
    )
    key_column: str | None = Field(
        None,
        description="The column of the company's own lasting key of a person, such as the "
        "customer's number. The rejects file shows it beside the row, and who has a new address "
        "under the same key stays the same contact, with its history and its opt-outs. So it must "
        "never pass to another person, as a row's number would.",
        examples=["customer_id"],
    )
    changed_column: str | None = Field(
        None,
        description="A column of the query that holds when a row was last changed: then only rows "
        "changed since the last sync are read, and all of them every full_every_days. Needs "
        "[duplicates] keep = newest by the same column.",
        examples=["updated_at"],
    )
    changed_overlap: dt.timedelta = Field(
        dt.timedelta(hours=1),
        ge=dt.timedelta(0),
        description="Rows are read again that were changed so long before the last sync's newest, "
        "since a transaction may become visible late; in seconds.",
    )
    full_every_days: int = Field(
        7,
        ge=1,
        le=90,
        description="After how many days all rows are read again: only then is it known who is "
        "gone from the source, and what the changed_column did not tell.",
    )
    chunk_rows: int = Field(
        12_000,
        ge=100,
        le=1_000_000,
        description="How many rows are in memory at once. From some 100,000 on each row is checked "
        "each day; fewer are known again when they are as they were.",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.path is None and self.url is None:
            raise ValueError("name the contacts' file in source.path, or a database in source.url")
        if self.path is not None and self.url is not None:
            raise ValueError("source.path and source.url exclude each other")
        if self.url is not None and (self.query is None) == (self.table is None):
            raise ValueError("source.url needs either source.query or source.table")
        stray = [
            name
            for name in ("query", "table", "changed_column", "password", "password_file")
            if self.path is not None and getattr(self, name) is not None
        ]
        if stray:
            raise ValueError(f"source.{stray[0]} is for a database, and source.path names a file")
        return self


class Consent(Section):
    """Which rows may be sent: only people who agreed. One of the two must be said."""

    column: str | None = Field(
        None,
        description="The source column that says whether the person agreed to be written to.",
        examples=["Newsletter"],
    )
    values: tuple[str, ...] = Field(
        (),
        description="What that column holds for those who agreed; capitals don't matter. All "
        "other rows are left out, and told.",
        examples=[["yes", "true", "1"]],
    )
    all_rows_have_consent: bool = Field(
        False,
        description="You declare that everybody in the source agreed to be written to.",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.column is None) != (not self.values):
            raise ValueError("consent.column and consent.values belong together: set both")
        if self.column is not None and self.all_rows_have_consent:
            raise ValueError("consent.column and consent.all_rows_have_consent exclude each other")
        return self


class Suppression(Section):
    """Addresses and domains that are never sent, whatever the source says."""

    path: ConfiguredPath | None = Field(
        None,
        description="A text file with an address or a domain in each line; a domain means all "
        "addresses in it and below it. When it is missing the run ends.",
        examples=["never.txt"],
    )
    query: str | None = Field(
        None,
        description="A SELECT of one column with the same, asked of the database in source.url.",
        examples=["SELECT email FROM do_not_contact"],
    )


class Duplicates(Section):
    """What becomes of several rows with the same address; those left out are told."""

    keep: Literal["last", "first", "newest", "merge"] = Field(
        "last",
        description="Which row counts: the last, the first, the newest by the column below, or all "
        "merged: then the later rows go first, and the earlier ones fill what is empty.",
    )
    column: str | None = Field(
        None,
        description="For newest: the column that holds a date, a time or a number. Dates are read "
        "by mapping.date_formats; what can't be read counts as the oldest, and the last row counts "
        "among equals.",
        examples=["updated_at"],
    )

    @model_validator(mode="after")
    def _column(self) -> Self:
        if (self.keep == "newest") != (self.column is not None):
            raise ValueError('duplicates.keep = "newest" and duplicates.column belong together')
        return self
