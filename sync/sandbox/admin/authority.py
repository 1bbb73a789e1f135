"""The portal's and the user's power over an application: secrets, consents, accounts, quota."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from flask import Blueprint, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from sync.sandbox.audience.catalog import FIRST_LIST, Lists
from sync.sandbox.oauth.applications import Application, Registry
from sync.sandbox.oauth.grants import Grants
from sync.sandbox.world import World

Action = Callable[[World, Application, int], None]


def _grants(world: World) -> Grants:
    return Grants(world.database, world.clock, world.signer)


def _renew(world: World, application: Application, _: int) -> None:
    Registry(world.database).renew_secret(application.client_id)


def _switch(*, active: bool) -> Action:
    def switch(world: World, application: Application, _: int) -> None:
        Registry(world.database).set_active(application.client_id, active=active)

    return switch


ACTIONS: dict[str, tuple[str, Action]] = {
    "withdraw-consent": (
        "The user withdraws the consent",
        lambda world, app, account: _grants(world).withdraw_consent(app.client_id, account),
    ),
    "renew-secret": ("A developer generates a new secret", _renew),
    "deactivate": ("The vendor deactivates the application", _switch(active=False)),
    "activate": ("The vendor activates it again", _switch(active=True)),
    "revoke-refresh-tokens": (
        "All refresh tokens end",
        lambda world, app, _: _grants(world).revoke_refresh_tokens(app.client_id),
    ),
    "revoke-access-tokens": (
        "All access tokens end",
        lambda world, app, _: _grants(world).revoke_access_tokens(app.client_id),
    ),
}


def authority_blueprint(world: World) -> Blueprint:
    pages = Blueprint("authority", __name__, url_prefix="/_sandbox")
    registry = Registry(world.database)

    @pages.get("/application")
    def see() -> ResponseReturnValue:
        with world.lock:
            shown = [
                asdict(one) | {"used_today": world.limits.used_today(one.client_id)}
                for one in registry.applications()
            ]
            accounts = registry.accounts()
        if request.accept_mimetypes.best_match(("application/json", "text/html")) != "text/html":
            return jsonify({"applications": shown, "accounts": [asdict(one) for one in accounts]})
        return render_template(
            "application.html",
            here="application",
            applications=shown,
            accounts=accounts,
            account=request.args.get("account", 1, type=int),
            actions=ACTIONS,
            world=world,
        )

    @pages.post("/application/<action>")
    def act(action: str) -> ResponseReturnValue:
        """Of the first application and, where it matters, the account in the query."""
        if action not in ACTIONS:
            return jsonify({"error": f"an action is one of {', '.join(ACTIONS)}"}), 404
        account = request.args.get("account", 1, type=int)
        with world.lock:
            ACTIONS[action][1](world, registry.applications()[0], account)
        return redirect(url_for("authority.see", account=account), 303)

    @pages.post("/accounts")
    def add_account() -> ResponseReturnValue:
        """{"organization": ..., "email": ..., "role": ...}: another customer."""
        body: dict[str, Any] = request.get_json(force=True)
        try:
            with world.lock:
                made = registry.add_account(
                    str(body["organization"]), str(body["email"]), str(body.get("role", "owner"))
                )
                Lists(world.database).add(made.number, FIRST_LIST, world.clock.now_ms())
        except (KeyError, ValueError) as error:
            return jsonify({"error": str(error)}), 400
        return jsonify(asdict(made)), 201

    @pages.put("/quota")
    def use_quota() -> ResponseReturnValue:
        """{"used": number}: pretend that so many calls were made today."""
        body: dict[str, Any] = request.get_json(force=True)
        with world.lock:
            client_id = registry.applications()[0].client_id
            world.limits.set_used_today(client_id, int(body["used"]))
        return jsonify({"used": int(body["used"])})

    return pages
