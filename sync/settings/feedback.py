"""The options about what people do in Constant Contact, and how the company learns of it."""

import datetime as dt
from typing import Self

from pydantic import Field, SecretStr, model_validator

from sync.settings.hosts import DatabaseAddress
from sync.settings.section import ConfiguredPath, Section


class Observe(Section):
    """Reading who unsubscribed, was deleted or left a list, before each run sends anything."""

    full_every_runs: int = Field(
        7,
        ge=1,
        le=365,
        description="Each so many runs everybody in the account is read (a request for every 500), "
        "since not every change may show in between; the other runs read what changed. Who came "
        "back by their own doing is free again at the latest then.",
    )
    revive_deleted: bool = Field(
        False,
        description="Send contacts again that somebody deleted in Constant Contact, which revives "
        "them there. false: they stay deleted. Who unsubscribed stays so either way.",
    )


class Feedback(Section):
    """Handing the company what people did: to a file, to a table of its own database, or both."""

    file: ConfiguredPath | None = Field(
        None,
        description="A CSV file that each run writes anew, whole: everybody who is unsubscribed, "
        "deleted, held or refused, or left a list, and who came back (ended_at). Times are UTC.",
        examples=["feedback.csv"],
    )
    url: DatabaseAddress | None = Field(
        None,
        description="An SQLAlchemy address of a PostgreSQL, MariaDB or SQLite database, in which "
        "the table is kept up to date: what changed since the last run is written. Its password is "
        "better given by password_file.",
        examples=["postgresql+psycopg://contact_sync@crm.example.com/crm"],
    )
    table: str | None = Field(
        None,
        description="The table in that database; schema.table is allowed. It is made when it isn't "
        "there. Its columns are those of the file; its key account, email, what and list_id.",
        examples=["contact_feedback"],
    )
    password: SecretStr | None = Field(
        None,
        description="The database's password. Leave it out here: it comes from the environment, "
        "from password_file, or as the systemd credential `feedback_password`.",
        examples=["secret"],
    )
    password_file: ConfiguredPath | None = Field(
        None,
        description="A file that holds only the database's password; mode 0600.",
        examples=["feedback_password"],
    )
    timeout: dt.timedelta = Field(
        dt.timedelta(seconds=30),
        ge=dt.timedelta(seconds=1),
        le=dt.timedelta(hours=1),
        description="How long one statement in that database may take, in seconds. A target that "
        "fails or is too slow never fails the sync: it is told, and tried again by the next run.",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.url is None) != (self.table is None):
            raise ValueError("feedback.url and feedback.table belong together: set both")
        stray = [
            name
            for name in ("password", "password_file")
            if self.url is None and getattr(self, name) is not None
        ]
        if stray:
            raise ValueError(f"feedback.{stray[0]} is for the database in feedback.url")
        return self
