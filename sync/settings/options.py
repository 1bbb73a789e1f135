"""Every option of the configuration, with its meaning and unit.

The descriptions are the one text about each option: `sync.settings.example` writes the annotated
example from them, so no option can go undescribed.
"""

import datetime as dt
import re
from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from sync.settings.groups import Lists, Tags
from sync.settings.hosts import DatabaseAddress, WebAddress
from sync.settings.mapping import FieldMapping
from sync.settings.schedule import Schedule
from sync.settings.section import ConfiguredPath, Section, configuration_folder
from sync.settings.source import Consent, Duplicates, Source, Suppression

__all__ = [
    "Account",
    "Api",
    "Consent",
    "Duplicates",
    "FieldMapping",
    "Gone",
    "GoneAction",
    "Guard",
    "Lists",
    "OAuth",
    "Report",
    "Schedule",
    "Section",
    "Source",
    "State",
    "Suppression",
    "Tags",
    "Vault",
    "Verify",
    "configuration_folder",
]


class Account(Section):
    """Which Constant Contact account this file is for."""

    name: str = Field(
        "default",
        min_length=1,
        max_length=64,
        description="Your own short name of the account; it keys the state and names the reports.",
    )

    @field_validator("name")
    @classmethod
    def _plain(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
            raise ValueError(
                "must have no other characters than A to Z, a to z, digits, _, . and -"
            )
        return name


class OAuth(Section):
    """The application that you made in Constant Contact's developer portal (OAuth 2.0)."""

    client_id: str = Field(
        min_length=1,
        description="The application's API key (OAuth 2.0: client_id). Required.",
        examples=["your-api-key"],
    )
    client_secret: SecretStr | None = Field(
        None,
        description="The application's secret. Better kept out of this file: in the environment, "
        "in client_secret_file, or as the systemd credential `client_secret`.",
        examples=["your-secret"],
    )
    client_secret_file: ConfiguredPath | None = Field(
        None,
        description="A file that holds only the secret; mode 0600.",
        examples=["client_secret"],
    )
    redirect_uri: str = Field(
        "http://localhost:8085/callback",
        description="Where the browser comes back to after Allow: a loopback address, exactly as "
        "registered in the application's details.",
    )
    scopes: tuple[str, ...] = Field(
        ("contact_data", "account_read", "offline_access"),
        description="What the person is asked to allow. contact_data reads and writes contacts; "
        "account_read lets the account be recognised; without offline_access there is no refresh "
        "token, and so no automation.",
    )
    authorize_url: WebAddress = Field(
        "https://authz.constantcontact.com/oauth2/default/v1/authorize",
        description="Constant Contact's authorize page.",
    )
    token_url: WebAddress = Field(
        "https://authz.constantcontact.com/oauth2/default/v1/token",
        description="Constant Contact's token endpoint.",
    )

    @field_validator("scopes")
    @classmethod
    def _offline_access(cls, scopes: tuple[str, ...]) -> tuple[str, ...]:
        missing = {"contact_data", "offline_access"} - set(scopes)
        if missing:
            raise ValueError(f"must contain {' and '.join(sorted(missing))}")
        return scopes


class Vault(Section):
    """How the token pair is kept."""

    key: SecretStr | None = Field(
        None,
        description="The key that encrypts the tokens at rest (Fernet, 44 characters). Leave it "
        "out here: it comes from the environment, from key_file, or as the systemd credential "
        "`vault_key`.",
        examples=["cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="],
    )
    key_file: ConfiguredPath | None = Field(
        None,
        description="The file that holds the key, mode 0600. Default: vault.key in the state "
        "directory, made by `authorize` when it is not there yet.",
        examples=["vault.key"],
    )
    minimum_life: dt.timedelta = Field(
        dt.timedelta(hours=2),
        ge=dt.timedelta(minutes=5),
        le=dt.timedelta(hours=12),
        description="A run starts only with an access token that lives at least this long; else "
        "the pair is refreshed first. ISO 8601 duration or seconds.",
    )


class Api(Section):
    """How Constant Contact's V3 API is used."""

    base_url: WebAddress = Field(
        "https://api.cc.email/v3", description="The API's address, with its version."
    )
    requests_per_second: int = Field(
        4,
        ge=1,
        le=1000,
        description="The application's pace limit, in any sliding second (Constant Contact: 4).",
    )
    requests_per_day: int = Field(
        10_000,
        ge=100,
        description="The application's quota per UTC day, over all its accounts (Constant "
        "Contact: 10,000).",
    )
    requests_reserved: int = Field(
        200,
        ge=0,
        description="So many of them are kept for learning what became of what was sent, and for "
        "`check`: sending stops when only these are left, and goes on after 00:00 UTC.",
    )
    timeout: dt.timedelta = Field(
        dt.timedelta(seconds=60),
        ge=dt.timedelta(seconds=1),
        description="How long one request may wait for an answer, in seconds.",
    )
    batch_bytes: int = Field(
        3_800_000,
        ge=1_000,
        le=3_800_000,
        description="The most encoded bytes of one import. Constant Contact silently drops what "
        "passes 4 MB, hence the cap.",
    )
    batch_contacts: int = Field(
        40_000,
        ge=1,
        le=40_000,
        description="The most contacts of one import (Constant Contact: 40,000).",
    )
    batches_in_flight: int = Field(
        4, ge=1, le=100, description="How many imports may be under way at once."
    )
    refused_again_days: int = Field(
        7,
        ge=0,
        description="A contact that Constant Contact has refused for what is in it is sent again "
        "when its row changes, or after so many days; until then each run tells of it as refused. "
        "0: in each run.",
    )
    confirmation_timeout: dt.timedelta = Field(
        dt.timedelta(hours=2),
        ge=dt.timedelta(seconds=1),
        description="How long a run waits for its imports to be processed before it leaves them "
        "to the next run, in seconds.",
    )

    @model_validator(mode="after")
    def _some_to_send(self) -> Self:
        if self.requests_reserved >= self.requests_per_day:
            raise ValueError("requests_reserved must be less than requests_per_day")
        return self


class Guard(Section):
    """What makes a run stop before it sends anything, since it looks like an accident."""

    max_shrink_percent: float = Field(
        20.0,
        ge=0,
        le=100,
        description="The source may have at most this much fewer valid contacts than the last "
        "synced audience, in percent.",
    )
    max_changed_percent: float = Field(
        50.0,
        ge=0,
        le=100,
        description="At most this share of the synced contacts may change in one run, in percent.",
    )
    max_changed: int | None = Field(
        None,
        ge=0,
        description="At most so many contacts may change in one run, however many there are. "
        "Default: no such limit.",
        examples=[5_000],
    )
    max_removed_percent: float = Field(
        20.0,
        ge=0,
        le=100,
        description="At most this share of the synced contacts may be taken off their lists or "
        "deleted in one run because they are gone from the source, in percent.",
    )
    max_removed: int | None = Field(
        None,
        ge=0,
        description="At most so many contacts may be taken off their lists or deleted in one run. "
        "Default: no such limit.",
        examples=[500],
    )
    max_rejected_percent: float = Field(
        20.0,
        ge=0,
        le=100,
        description="At most this share of the source's rows may be rejected, in percent.",
    )
    minimum_contacts: int = Field(
        20,
        ge=0,
        description="Below so many contacts the percentages mean nothing and are not looked at.",
    )


class GoneAction(StrEnum):
    """What becomes of contacts that the source has no more."""

    KEEP = "keep"
    REMOVE = "remove_from_lists"
    DELETE = "delete"


class Gone(Section):
    """What becomes of contacts that this program has sent and that the source has no more."""

    action: GoneAction = Field(
        GoneAction.KEEP,
        description="keep leaves them as they are. remove_from_lists takes them off the lists that "
        "this program has put them on. delete deletes those whom this program has made; who was in "
        "the account before is kept.",
    )
    after_runs: int = Field(
        3,
        ge=1,
        description="In so many runs in a row must a contact be missing. A row that is rejected or "
        "withheld counts as missing; a partial read of the source counts nothing.",
    )


class Verify(Section):
    """Reading the whole audience back, as `contact-sync verify` does."""

    every_runs: int = Field(
        0,
        ge=0,
        description="Each run after so many verifies the audience first: a request for every 500 "
        "contacts of the account. What differs from what was sent is in the report. 0: never.",
    )
    repair: bool = Field(
        False,
        description="Such a run sends again what differs, since the source owns it (but for "
        "mapping.owned_by_constant_contact). A list that a contact left, and a deleted contact, "
        "stay as they are. false: it is only shown.",
    )


class State(Section):
    """Where the program keeps what it must remember."""

    directory: ConfiguredPath = Field(
        Path("state"),
        validate_default=True,
        description="The folder of the database, the locks and the key. In the systemd service: "
        "its StateDirectory.",
    )
    url: DatabaseAddress | None = Field(
        None,
        description="An SQLAlchemy address of a PostgreSQL or MariaDB database instead of the "
        "SQLite file state.db in the directory. A password in it is better given by the "
        "environment, or as the systemd credential `state_url`.",
        examples=["postgresql+psycopg://contact_sync@localhost/contact_sync"],
    )
    shared_directory: ConfiguredPath | None = Field(
        None,
        description="Where accounts that have a SQLite file each count the requests of their "
        "common application: the folder of another file state.db. Default: in a configuration "
        "folder, the state directory of defaults.toml; else the account's own file.",
        examples=["state"],
    )


class Report(Section):
    """What each run leaves behind for people."""

    directory: ConfiguredPath = Field(
        Path("reports"),
        validate_default=True,
        description="The folder of the reports and the rejects files.",
    )
    keep_days: int = Field(
        90, ge=1, description="After how many days a report and its rejects file are removed."
    )
