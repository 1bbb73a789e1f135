"""What a person's consent gives: codes, refresh tokens and access tokens, and how they end.

A code lives for five minutes and works once. A rotating refresh token works once, and its
successor ends it; a long-lived one is reused. Both die after 180 days without use (answers of the
vendor's support in its forum, 2022 and later).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import sqlite3
import uuid
from dataclasses import dataclass
from typing import Any

from sync.sandbox.clock import Clock
from sync.sandbox.database import Database
from sync.sandbox.oauth.applications import Application, Registry
from sync.sandbox.oauth.tokens import Signer, new_refresh_token
from sync.sandbox.settings import SandboxSettings

KNOWN_SCOPES = frozenset(
    {
        "contact_data",
        "account_read",
        "account_update",
        "campaign_data",
        "billing_data",
        "offline_access",
        "openid",
        "profile",
        "email",
    }
)
REFRESH_TOKEN_BAD = "The refresh token is invalid or expired."  # noqa: S105 (a message)


class GrantError(Exception):
    """An error of RFC 6749, section 5.2: `error` and `error_description`."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person agreed to at the authorise page."""

    account: int
    redirect_uri: str
    scope: str
    challenge: str | None
    nonce: str | None


@dataclass(slots=True)
class Grants:
    """Issues and ends tokens. The caller holds the world's lock."""

    database: Database
    clock: Clock
    signer: Signer

    def issue_code(
        self, application: Application, consent: Consent, settings: SandboxSettings
    ) -> str:
        code = secrets.token_urlsafe(32)
        self.database.run(
            "INSERT INTO code (code, client_id, account, redirect_uri, scope, challenge, nonce,"
            " expires_at, consent) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                code,
                application.client_id,
                consent.account,
                consent.redirect_uri,
                consent.scope,
                consent.challenge,
                consent.nonce,
                self.clock.now() + settings.code_lifetime.total_seconds(),
                uuid.uuid4().hex,
            ),
        )
        return code

    def redeem_code(
        self,
        application: Application,
        settings: SandboxSettings,
        *,
        code: str,
        redirect_uri: str,
        verifier: str | None,
        with_secret: bool,
    ) -> dict[str, Any]:
        """Exchange a code for a token set, or say why not."""
        row = self.database.one("SELECT * FROM code WHERE code = ?", (code,))
        if row is None or row["client_id"] != application.client_id:
            raise GrantError("invalid_grant", "The authorization code is invalid or has expired.")
        if row["used"]:
            if settings.code_reuse_revokes:
                self._revoke_consent(row["consent"])
            raise GrantError("invalid_grant", "The authorization code has already been used.")
        if self.clock.now() > row["expires_at"]:
            raise GrantError("invalid_grant", "The authorization code is invalid or has expired.")
        if redirect_uri != row["redirect_uri"]:
            raise GrantError(
                "invalid_grant",
                "The 'redirect_uri' does not match the redirection URI of the"
                " authorization request.",
            )
        _check_verifier(row["challenge"], verifier, with_secret=with_secret)
        self.database.run("UPDATE code SET used = 1 WHERE code = ?", (code,))
        if settings.second_consent_kills_earlier:
            self.withdraw_consent(application.client_id, row["account"])
        return self._issue(application, settings, row, refresh_token=None)

    def refresh(
        self, application: Application, settings: SandboxSettings, token: str
    ) -> dict[str, Any]:
        """Exchange a refresh token for a token set, or say why not."""
        row = self.database.one("SELECT * FROM refresh_token WHERE token = ?", (token,))
        now = self.clock.now()
        if row is None or row["client_id"] != application.client_id or row["revoked"]:
            raise GrantError("invalid_grant", REFRESH_TOKEN_BAD)
        idle = settings.refresh_idle_limit
        if idle is not None and now - row["used_at"] > idle.total_seconds():
            raise GrantError("invalid_grant", REFRESH_TOKEN_BAD)
        if row["replaced_at"] is not None:
            return self._within_grace(application, settings, row, now)
        if settings.new_pair_kills_access_token:
            self._revoke_access(row["consent"])
        if application.refresh_kind.startswith("long-lived"):
            sql = "UPDATE refresh_token SET used_at = ? WHERE token = ?"
            self.database.run(sql, (now, token))
            answer = self._issue(application, settings, row, refresh_token=token)
            return _without_token(answer, application.refresh_kind)
        sql = "UPDATE refresh_token SET replaced_at = ? WHERE consent = ? AND replaced_at IS NULL"
        self.database.run(sql, (now, row["consent"]))
        return self._issue(application, settings, row, refresh_token=None)

    def withdraw_consent(self, client_id: str, account: int) -> None:
        """The user removes the application from the account: every token of it ends."""
        values = (client_id, account)
        for table in ("refresh_token", "access_token"):
            sql = f"UPDATE {table} SET revoked = 1 WHERE client_id = ? AND account = ?"  # noqa: S608
            self.database.run(sql, values)

    def revoke_refresh_tokens(self, client_id: str) -> None:
        sql = "UPDATE refresh_token SET revoked = 1 WHERE client_id = ?"
        self.database.run(sql, (client_id,))

    def revoke_access_tokens(self, client_id: str) -> None:
        sql = "UPDATE access_token SET revoked = 1 WHERE client_id = ?"
        self.database.run(sql, (client_id,))

    def _within_grace(
        self, application: Application, settings: SandboxSettings, row: sqlite3.Row, now: float
    ) -> dict[str, Any]:
        """A replaced token again: inside the grace period it yields the pair's present token."""
        if now - row["replaced_at"] < settings.rotation_grace.total_seconds():
            sql = (
                "SELECT token FROM refresh_token"
                " WHERE consent = ? AND replaced_at IS NULL AND NOT revoked"
            )
            current = self.database.value(sql, (row["consent"],))
            if current is not None:
                return self._issue(application, settings, row, refresh_token=current)
        if settings.refresh_reuse_revokes:
            self._revoke_consent(row["consent"])
        raise GrantError("invalid_grant", REFRESH_TOKEN_BAD)

    def _issue(
        self,
        application: Application,
        settings: SandboxSettings,
        row: sqlite3.Row,
        *,
        refresh_token: str | None,
    ) -> dict[str, Any]:
        account = Registry(self.database).account(row["account"])
        issued_at = int(self.clock.now())
        expires_at = issued_at + int(settings.expires_in.total_seconds())
        jti = "AT." + secrets.token_urlsafe(24)
        grant = (application.client_id, account.number, row["scope"], row["consent"])
        self.database.run(
            "INSERT INTO access_token (jti, client_id, account, scope, consent, expires_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (jti, *grant, expires_at),
        )
        answer: dict[str, Any] = {
            "token_type": "Bearer",
            "expires_in": int(settings.expires_in.total_seconds()),
            "access_token": self.signer.access_token(
                jti=jti,
                client_id=application.client_id,
                user=account.user_name,
                scope=row["scope"],
                issued_at=issued_at,
                expires_at=expires_at,
            ),
            "scope": row["scope"],
        }
        scopes = row["scope"].split()
        if "offline_access" in scopes:
            if refresh_token is None:
                refresh_token = new_refresh_token()
                self.database.run(
                    "INSERT INTO refresh_token (token, client_id, account, scope, consent,"
                    " used_at) VALUES (?, ?, ?, ?, ?, ?)",
                    (refresh_token, *grant, self.clock.now()),
                )
            answer["refresh_token"] = refresh_token
        if "openid" in scopes:
            answer["id_token"] = self.signer.id_token(
                client_id=application.client_id,
                user=account.user_name,
                issued_at=issued_at,
                expires_at=expires_at,
                nonce=row["nonce"] if "nonce" in row.keys() else None,  # noqa: SIM118 (a Row)
            )
        return answer

    def _revoke_access(self, consent: str) -> None:
        self.database.run("UPDATE access_token SET revoked = 1 WHERE consent = ?", (consent,))

    def _revoke_consent(self, consent: str) -> None:
        self._revoke_access(consent)
        self.database.run("UPDATE refresh_token SET revoked = 1 WHERE consent = ?", (consent,))


def _without_token(answer: dict[str, Any], kind: str) -> dict[str, Any]:
    """The answer to a refresh by a long-lived token, which need not say that token again."""
    if kind == "long-lived, omitted":
        del answer["refresh_token"]
    elif kind == "long-lived, empty":
        answer["refresh_token"] = ""
    return answer


def _check_verifier(challenge: str | None, verifier: str | None, *, with_secret: bool) -> None:
    """PKCE, RFC 7636: the verifier's SHA-256 must be the challenge."""
    if challenge is None:
        if not with_secret:
            raise GrantError("invalid_client", "Client authentication failed.")
        return
    if not verifier:
        raise GrantError("invalid_grant", "PKCE verification failed.")
    digest = hashlib.sha256(verifier.encode()).digest()
    expected = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    if not hmac.compare_digest(expected, challenge):
        raise GrantError("invalid_grant", "PKCE verification failed.")
