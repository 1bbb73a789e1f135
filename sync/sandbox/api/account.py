"""GET /account/summary and GET /account/user/privileges."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request

from sync.sandbox.api.gate import Answer, Caller, api_blueprint, endpoint
from sync.sandbox.api.problems import invalid
from sync.sandbox.oauth.applications import PRIVILEGES
from sync.sandbox.world import World

_EXTRAS: dict[str, Any] = {
    "physical_address": {
        "address_line1": "123 Maple Street",
        "city": "Boston",
        "state_code": "MA",
        "postal_code": "02451",
        "country_code": "US",
    },
    # "If a company logo does not exist, nothing is returned" (the contract); there is none here.
    "company_logo": None,
}


def account_blueprint(world: World) -> Blueprint:
    pages = api_blueprint("account")

    @endpoint(
        pages, world, "/account/summary", "GET", scope="account_read", privilege="account:read"
    )
    def summary(caller: Caller) -> Answer:
        shown = dict(caller.account.details)
        extras = request.args.get("extra_fields", "")
        for name in filter(None, (part.strip() for part in extras.split(","))):
            if name not in _EXTRAS:
                raise invalid("extra_fields does not have a valid value")
            if _EXTRAS[name] is not None:
                shown[name] = _EXTRAS[name]
        return shown, 200

    @endpoint(pages, world, "/account/user/privileges", "GET", scope=None, privilege=None)
    def privileges(caller: Caller) -> Answer:
        held = caller.account.privileges
        return [
            {"privilege_id": number, "privilege_name": name}
            for number, name in PRIVILEGES.items()
            if name in held
        ], 200

    return pages
