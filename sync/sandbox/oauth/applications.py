"""The applications and accounts that this sandbox knows.

An application is what a developer registers in the vendor's portal: a client_id ("API key"), a
secret, exact redirect addresses, and a kind of refresh token. An account is a customer, with the
user who consents; the user's role decides which privileges the tokens carry.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sync.sandbox.database import Database
from sync.sandbox.settings import SandboxSettings

PRIVILEGES = {
    1: "account:read",
    2: "account:update",
    10: "contacts:read",
    11: "contacts:write",
    12: "contacts:lists:read",
    13: "contacts:lists:write",
    20: "contacts:segments:read",
    21: "contacts:segments:write",
    30: "campaign:create",
    31: "campaign:read",
    32: "campaign:write",
    33: "campaign:send",
}

ROLES: dict[str, frozenset[str]] = {
    "owner": frozenset(PRIVILEGES.values()),
    "manager": frozenset(PRIVILEGES.values()),
    "campaign creator": frozenset(p for p in PRIVILEGES.values() if p.startswith("campaign:")),
}
"""Owner and Manager have all privileges; a Campaign Creator has no access to contacts (the guide's
page on user privileges)."""


@dataclass(frozen=True, slots=True)
class Application:
    client_id: str
    client_secret: str
    name: str
    redirect_uris: tuple[str, ...]
    refresh_kind: str
    """The setting `refresh_token_kind`."""
    active: bool

    def accepts_redirect(self, address: str, *, any_loopback: bool) -> bool:
        """Whether a redirect address is registered, letter for letter."""
        if address in self.redirect_uris:
            return True
        parts = urlsplit(address)
        loopback = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
        return any_loopback and loopback and not parts.fragment


@dataclass(frozen=True, slots=True)
class Account:
    number: int
    encoded_account_id: str
    user_name: str
    role: str
    details: dict[str, Any]

    @property
    def privileges(self) -> frozenset[str]:
        return ROLES[self.role]


class Registry:
    """Reads and writes applications and accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ensure_first(self, settings: SandboxSettings) -> Application:
        """The application of the settings and its account; made if this sandbox is fresh."""
        if not self.accounts():
            self.add_account(settings.organization_name, settings.contact_email)
        row = self._database.one("SELECT * FROM application ORDER BY rowid")
        if row is None:
            return self.add_application(settings)
        known = _application(row)
        client_id = settings.client_id or known.client_id
        secret = settings.client_secret or known.client_secret
        sql = (
            "UPDATE application SET client_id = ?, client_secret = ?, redirect_uris = ?, "
            "refresh_kind = ? WHERE client_id = ?"
        )
        addresses = json.dumps(settings.redirect_uris)
        self._database.run(
            sql, (client_id, secret, addresses, settings.refresh_token_kind, known.client_id)
        )
        return self.application(client_id) or known

    def add_application(self, settings: SandboxSettings, name: str = "contact-sync") -> Application:
        made = Application(
            client_id=settings.client_id or str(uuid.uuid4()),
            client_secret=settings.client_secret or secrets.token_urlsafe(16),
            name=name,
            redirect_uris=settings.redirect_uris,
            refresh_kind=settings.refresh_token_kind,
            active=True,
        )
        sql = (
            "INSERT INTO application (client_id, client_secret, name, redirect_uris, refresh_kind)"
            " VALUES (?, ?, ?, ?, ?)"
        )
        addresses = json.dumps(made.redirect_uris)
        self._database.run(
            sql, (made.client_id, made.client_secret, made.name, addresses, made.refresh_kind)
        )
        return made

    def application(self, client_id: str) -> Application | None:
        row = self._database.one("SELECT * FROM application WHERE client_id = ?", (client_id,))
        return None if row is None else _application(row)

    def applications(self) -> list[Application]:
        return [_application(r) for r in self._database.all("SELECT * FROM application")]

    def renew_secret(self, client_id: str) -> str:
        """Generate a new secret; the old one ends at once."""
        secret = secrets.token_urlsafe(16)
        sql = "UPDATE application SET client_secret = ? WHERE client_id = ?"
        self._database.run(sql, (secret, client_id))
        return secret

    def set_active(self, client_id: str, *, active: bool) -> None:
        sql = "UPDATE application SET active = ? WHERE client_id = ?"
        self._database.run(sql, (active, client_id))

    def add_account(self, organization: str, email: str, role: str = "owner") -> Account:
        """A new customer, with the list that every real account starts with elsewhere."""
        if role not in ROLES:
            raise ValueError(f"a role is one of {', '.join(ROLES)}")
        encoded = "p07e1l" + secrets.token_hex(4)
        details = {
            "contact_email": email,
            "contact_phone": "5085550100",
            "country_code": "US",
            "encoded_account_id": encoded,
            "first_name": "Sandra",
            "last_name": "Box",
            "organization_name": organization,
            "organization_phone": "508-555-0100",
            "state_code": "MA",
            "time_zone_id": "US/Eastern",
            "website": "https://www.sandbox.example",
        }
        sql = (
            "INSERT INTO account (encoded_account_id, user_name, role, details) VALUES (?, ?, ?, ?)"
        )
        number = self._database.run(sql, (encoded, email, role, json.dumps(details)))
        return Account(number, encoded, email, role, details)

    def set_role(self, number: int, role: str) -> None:
        if role not in ROLES:
            raise ValueError(f"a role is one of {', '.join(ROLES)}")
        self._database.run("UPDATE account SET role = ? WHERE account = ?", (role, number))

    def account(self, number: int) -> Account:
        row = self._database.one("SELECT * FROM account WHERE account = ?", (number,))
        if row is None:
            raise LookupError(f"there is no account {number}")
        return _account(row)

    def accounts(self) -> list[Account]:
        return [_account(r) for r in self._database.all("SELECT * FROM account ORDER BY account")]


def _application(row: sqlite3.Row) -> Application:
    return Application(
        client_id=row["client_id"],
        client_secret=row["client_secret"],
        name=row["name"],
        redirect_uris=tuple(json.loads(row["redirect_uris"])),
        refresh_kind=row["refresh_kind"],
        active=bool(row["active"]),
    )


def _account(row: sqlite3.Row) -> Account:
    details = json.loads(row["details"])
    return Account(
        row["account"], row["encoded_account_id"], row["user_name"], row["role"], details
    )
