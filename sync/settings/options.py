"""Every option of the configuration, with its meaning and unit.

The descriptions are the one text about each option: `sync.settings.example` writes the annotated
example from them, so no option can go undescribed.
"""

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, field_validator

from sync.settings.mapping import FieldMapping
from sync.settings.section import ConfiguredPath, Section, configuration_folder
from sync.settings.source import Consent, Duplicates, Source, Suppression

__all__ = [
    "Account",
    "Api",
    "Consent",
    "Duplicates",
    "FieldMapping",
    "Guard",
    "Lists",
    "OAuth",
    "Report",
    "Schedule",
    "Section",
    "Source",
    "State",
    "Suppression",
    "Vault",
    "configuration_folder",
]


class Account(Section):
    """Which Constant Contact account this file is for."""

    name: str = Field(
        "default",
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9_.-]+$",
        description="Your own short name of the account; it keys the state and names the reports.",
    )


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
    authorize_url: str = Field(
        "https://authz.constantcontact.com/oauth2/default/v1/authorize",
        description="Constant Contact's authorize page.",
    )
    token_url: str = Field(
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

    base_url: str = Field(
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
    confirmation_timeout: dt.timedelta = Field(
        dt.timedelta(hours=2),
        ge=dt.timedelta(seconds=1),
        description="How long a run waits for its imports to be processed before it leaves them "
        "to the next run, in seconds.",
    )


class Lists(Section):
    """The Constant Contact lists that the contacts are put on."""

    names: tuple[str, ...] = Field(
        (),
        max_length=50,
        description="Every contact goes on these lists, by name.",
        examples=[["General Interest"]],
    )
    column: str | None = Field(
        None,
        description="A source column whose value names a further list of the contact.",
        examples=["Country"],
    )
    values: dict[str, str] = Field(
        {},
        description='Value of that column = "list name". Without an entry the value itself is '
        "the list's name.",
        examples=[{"US": "Customers USA"}],
    )
    create_missing: bool = Field(
        False,
        description="Make lists that don't exist in the account yet. Else a missing one ends the "
        "run before anything is sent.",
    )


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


class State(Section):
    """Where the program keeps what it must remember."""

    directory: ConfiguredPath = Field(
        Path("state"),
        validate_default=True,
        description="The folder of the database, the locks and the key. In the systemd service: "
        "its StateDirectory.",
    )
    url: SecretStr | None = Field(
        None,
        description="An SQLAlchemy address of a PostgreSQL or MariaDB database instead of the "
        "SQLite file state.db in the directory. A password in it is better given by the "
        "environment.",
        examples=["postgresql+psycopg://contact_sync@localhost/contact_sync"],
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


class Schedule(Section):
    """When the worker syncs."""

    time: dt.time = Field(dt.time(3, 30), description="The time of day of the daily sync, HH:MM.")
    time_zone: str = Field(
        "UTC", description="The time zone of that time, an IANA name such as America/New_York."
    )

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("is not a time zone's IANA name such as Europe/Berlin") from None
        return name
