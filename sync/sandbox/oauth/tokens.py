"""Access tokens: JWTs signed with RS256, as the vendor's server issues them.

Their audience is https://api.cc.email/v3 and their `exp` is checked by working third-party code;
the other claims follow the form of Okta's tokens, which the vendor's server is built on.
"""

from __future__ import annotations

import functools
import json
import secrets
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sync.sandbox.database import Database

AUDIENCE = "https://api.cc.email/v3"
ISSUER = "https://identity.constantcontact.com/oauth2/aus1lm3ry9mF7x2Ja0h8"


@dataclass(frozen=True, slots=True)
class Claims:
    """What the sandbox reads from one of its own access tokens."""

    jti: str
    client_id: str
    expires_at: int


class Signer:
    """Signs and reads tokens with one RSA key, kept in the sandbox's database."""

    def __init__(self, database: Database) -> None:
        pem = database.value("SELECT value FROM keyring WHERE name = 'rsa'")
        if pem is None:
            pem = _process_key()
            database.run("INSERT INTO keyring (name, value) VALUES ('rsa', ?)", (pem,))
        self._key = _load(pem)
        self._known: dict[str, Claims] = {}

    def access_token(
        self, *, jti: str, client_id: str, user: str, scope: str, issued_at: int, expires_at: int
    ) -> str:
        claims = {
            "ver": 1,
            "jti": jti,
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": issued_at,
            "exp": expires_at,
            "cid": client_id,
            "uid": user,
            "scp": scope.split(),
            "sub": user,
            # One client measured 1,000 to 1,200 characters: no token here is shorter.
            "about": "Signed by a sandbox: good for nothing at Constant Contact, whose tokens are "
            "as long as this one. Only its exp, aud and sub are known to be there.",
        }
        return self._sign(claims)

    def id_token(
        self, *, client_id: str, user: str, issued_at: int, expires_at: int, nonce: str | None
    ) -> str:
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": client_id,
            "sub": user,
            "iat": issued_at,
            "exp": expires_at,
        }
        return self._sign(claims | ({"nonce": nonce} if nonce else {}))

    def read(self, token: str) -> Claims | None:
        """The claims of a token that this sandbox signed; its expiry is for the caller to judge."""
        known = self._known.get(token)
        if known is not None:
            return known
        try:
            claims = jwt.decode(
                token,
                self._key.public_key(),
                algorithms=["RS256"],
                audience=AUDIENCE,
                options={"verify_exp": False, "verify_iat": False},
            )
        except jwt.PyJWTError:
            return None
        if len(self._known) > 10_000:
            self._known.clear()
        known = Claims(str(claims["jti"]), str(claims["cid"]), int(claims["exp"]))
        self._known[token] = known
        return known

    def key_set(self) -> dict[str, Any]:
        """The public key as a JWK set."""
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [key | {"kid": "sandbox", "use": "sig", "alg": "RS256"}]}

    def _sign(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": "sandbox"})


def new_refresh_token() -> str:
    """An opaque value of 42 characters, the length that one client measured."""
    return secrets.token_urlsafe(32)[:42]


@functools.cache
def _load(pem: str) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("the sandbox's key is not an RSA key")
    return key


@functools.cache
def _process_key() -> str:
    """One key for each process: making one takes a tenth of a second."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
