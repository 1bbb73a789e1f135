"""What every call of the API passes before its work begins.

In this order: the bearer token, the application's state, pace and quota, the token's scope, the
user's privilege. Anonymous calls are refused with 401, or 403 as one source has it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import orjson
from flask import Blueprint, Response, g, request

from sync.sandbox import activities
from sync.sandbox.api.problems import HTML_PAGE, ApiError, envelope, invalid
from sync.sandbox.in_flight import ClashError
from sync.sandbox.limits import Verdict
from sync.sandbox.oauth.applications import Account, Registry
from sync.sandbox.settings import SandboxSettings
from sync.sandbox.world import World

Answer = tuple[Any, int] | Response
Handler = Callable[..., Answer]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, for whose account."""

    client_id: str
    account: Account
    scopes: frozenset[str]


def api_blueprint(name: str) -> Blueprint:
    return Blueprint(name, __name__, url_prefix="/v3")


def endpoint(
    blueprint: Blueprint,
    world: World,
    rule: str,
    method: str,
    *,
    privilege: str | None,
    scope: str | None = "contact_data",
    looks: bool = False,
    changes: Callable[..., Hashable] | None = None,
) -> Callable[[Handler], Handler]:
    """Register a handler of one method; it is called as `handler(caller, **path_values)`.

    `looks` says that it reads or changes contacts, which must then all be there (see
    `fast_import`). `changes` is called like the handler and tells which contact the request
    changes: while it is under way, another such request is answered 409.
    """

    def register(handler: Handler) -> Handler:
        def call(**values: Any) -> Response:
            with world.lock:
                caller = admit(world)
                _check_rights(caller, scope, privilege)
                if changes is None:
                    return work(caller, **values)
                activities.settle(world, looks=looks)
                contact = changes(caller, **values)
            try:
                with world.in_flight.alone(contact):
                    if world.over.wait(world.settings.contact_change_time.total_seconds()):
                        raise RuntimeError("the sandbox stopped")
                    with world.lock:
                        return work(caller, **values)
            except ClashError:
                raise ApiError(409, "Another request is changing this contact.") from None

        def work(caller: Caller, **values: Any) -> Response:
            activities.settle(world, looks=looks)
            return respond(handler(caller, **values))

        blueprint.add_url_rule(rule, f"{method} {rule}", call, methods=[method])
        return handler

    return register


def respond(answer: Answer) -> Response:
    if isinstance(answer, Response):
        return answer
    body, status = answer
    payload = b"" if body is None else orjson.dumps(body)
    headers = {} if body is None else {"Content-Type": "application/json;charset=UTF-8"}
    response = Response(payload, status, headers)
    if body is None:
        response.headers.pop("Content-Type", None)
    return response


def error_response(error: ApiError) -> Response:
    """An error in its envelope."""
    if error.shape == "html":
        page = HTML_PAGE.format(status=error.status, reason=error.message)
        return Response(page, error.status, error.headers, content_type="text/html")
    response = respond((envelope(error.shape, error.key, error.message), error.status))
    response.headers.update(error.headers)
    return response


def admit(world: World) -> Caller:
    """The caller of this request, or the refusal of the gateway."""
    header = request.headers.get("Authorization")
    if header is None:
        raise ApiError(world.settings.anonymous_status)
    kind, _, token = header.partition(" ")
    claims = world.signer.read(token.strip()) if kind.lower() == "bearer" else None
    if claims is None:
        raise ApiError(401)
    g.application = claims.client_id
    sql = "SELECT account, scope, revoked FROM access_token WHERE jti = ?"
    row = world.database.one(sql, (claims.jti,))
    if row is None or row["revoked"] or world.clock.now() >= claims.expires_at:
        raise ApiError(401)
    registry = Registry(world.database)
    account = registry.account(row["account"])
    g.account = account.encoded_account_id
    application = registry.application(claims.client_id)
    if application is None:
        raise ApiError(401)
    _check_limits(world, claims.client_id)
    if not application.active:
        raise ApiError(403, "The application is deactivated.")
    return Caller(claims.client_id, account, frozenset(row["scope"].split()))


def read_json() -> Any:
    """The request's JSON body; 415 unless it says that it is JSON, 400 if it is not."""
    if request.mimetype != "application/json":
        raise ApiError(
            415,
            "Unsupported Media Type; the payload must be in JSON format, and Content-Type must be"
            " application/json",
        )
    try:
        return orjson.loads(request.environ["sandbox.body"])
    except orjson.JSONDecodeError as error:
        raise invalid(f"The JSON was malformed: {error}") from error


def read_object() -> dict[str, Any]:
    body = read_json()
    if not isinstance(body, dict):
        raise invalid("The payload must be a JSON object.")
    return body


def _check_limits(world: World, client_id: str) -> None:
    settings = world.settings
    verdict = world.limits.admit_api_call(client_id, settings)
    if verdict is Verdict.ADMITTED:
        return
    if verdict is Verdict.QUOTA_EXCEEDED:
        raise _too_many(settings, "quota_exceeded", "Limit Exceeded")
    raise _too_many(settings, "throttled", "Too Many Requests")


def check_queue(world: World, account: int) -> None:
    """Raise the contract's 429 of a full queue of activities; its key is not documented."""
    if activities.queue_is_full(world, account):
        told = "You exceeded 1,000 queued activities for this user account."
        raise _too_many(world.settings, "contacts.api.too_many_activities", told)


def _too_many(settings: SandboxSettings, key: str, message: str) -> ApiError:
    headers = {} if settings.retry_after is None else {"Retry-After": str(settings.retry_after)}
    return ApiError(429, message, key=key, shape=settings.throttle_body, headers=headers)


def _check_rights(caller: Caller, scope: str | None, privilege: str | None) -> None:
    if scope is not None and scope not in caller.scopes:
        raise ApiError(403, "Request forbidden due to insufficient scopes.")
    if privilege is not None and privilege not in caller.account.privileges:
        raise ApiError(403)
