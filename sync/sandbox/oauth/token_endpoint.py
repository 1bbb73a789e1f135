"""The token endpoint: codes and refresh tokens become token sets (RFC 6749, sections 4.1.3 and 6).

The client authenticates by HTTP Basic or in the form body; a public client of PKCE sends its
client_id alone. The vendor's support shows parameters in the query string, and the form body works
too, so both are read. Errors are `error` and `error_description`, unlike those of the API.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Any
from urllib.parse import unquote_plus

from flask import Blueprint, g, jsonify, request
from flask.typing import ResponseReturnValue

from sync.sandbox.limits import Verdict
from sync.sandbox.oauth.applications import Application, Registry
from sync.sandbox.oauth.grants import GrantError, Grants
from sync.sandbox.world import World

TOKEN_PATH = "/oauth2/default/v1/token"  # noqa: S105 (an address)
KEYS_PATH = "/oauth2/default/v1/keys"

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def token_blueprint(world: World) -> Blueprint:
    pages = Blueprint("token", __name__)
    registry = Registry(world.database)
    grants = Grants(world.database, world.clock, world.signer)

    @pages.post(TOKEN_PATH)
    def token() -> ResponseReturnValue:
        form = {**request.args.to_dict(), **request.form.to_dict()}
        try:
            application, with_secret = _authenticate(registry, form)
            g.application = application.client_id
            verdict = world.limits.admit_token_call(application.client_id, world.settings)
            if verdict is not Verdict.ADMITTED:
                return _too_many()
            with world.database.transaction():
                answer = _grant(grants, world, application, form, with_secret=with_secret)
        except GrantError as error:
            # Outside the transaction: what a refusal revokes must stay revoked.
            return _refuse(error)
        if isinstance(answer, GrantError):
            return _refuse(answer)
        return jsonify(answer), 200, NO_STORE

    @pages.get(KEYS_PATH)
    def keys() -> ResponseReturnValue:
        return jsonify(world.signer.key_set())

    return pages


def _authenticate(registry: Registry, form: dict[str, str]) -> tuple[Application, bool]:
    """The application that calls, and whether it proved so by its secret."""
    client_id, secret = _credentials(form)
    application = registry.application(client_id) if client_id else None
    if application is None:
        raise GrantError("invalid_client", "Invalid value for 'client_id' parameter.")
    if secret is None:
        if form.get("code_verifier"):
            return application, False
        raise GrantError("invalid_client", "Client authentication failed.")
    if not hmac.compare_digest(secret.encode(), application.client_secret.encode()):
        raise GrantError(
            "invalid_client", "The client secret supplied for a confidential client is invalid."
        )
    if not application.active:
        raise GrantError("invalid_client", "The application is deactivated.")
    return application, True


def _credentials(form: dict[str, str]) -> tuple[str | None, str | None]:
    header = request.headers.get("Authorization", "")
    if header[:6].lower() == "basic ":
        try:
            text = base64.b64decode(header[6:], validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None, None
        client_id, _, secret = text.partition(":")
        return unquote_plus(client_id), unquote_plus(secret)
    return form.get("client_id"), form.get("client_secret")


def _grant(
    grants: Grants,
    world: World,
    application: Application,
    form: dict[str, str],
    *,
    with_secret: bool,
) -> dict[str, Any] | GrantError:
    kind = form.get("grant_type")
    try:
        if kind == "authorization_code":
            return grants.redeem_code(
                application,
                world.settings,
                code=_needed(form, "code"),
                redirect_uri=_needed(form, "redirect_uri"),
                verifier=form.get("code_verifier"),
                with_secret=with_secret,
            )
        if kind == "refresh_token":
            return grants.refresh(application, world.settings, _needed(form, "refresh_token"))
        if not kind:
            _needed(form, "grant_type")
    except GrantError as error:
        return error
    return GrantError("unsupported_grant_type", "The grant type is not supported.")


def _needed(form: dict[str, str], name: str) -> str:
    value = form.get(name)
    if not value:
        raise GrantError("invalid_request", f"The token request must specify '{name}'.")
    return value


def _refuse(error: GrantError) -> ResponseReturnValue:
    body = jsonify({"error": error.error, "error_description": error.description})
    if error.error == "invalid_client":
        return body, 401, NO_STORE | {"WWW-Authenticate": 'Basic realm="sandbox"'}
    return body, 400, NO_STORE


def _too_many() -> ResponseReturnValue:
    body = {"error": "too_many_requests", "error_description": "Too Many Requests"}
    return jsonify(body), 429, NO_STORE
