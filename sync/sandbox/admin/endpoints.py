"""Admin endpoints under /_sandbox: for tests in other processes, and for the pages.

They speak JSON in and out. What they can do, the `Sandbox` object can do in Python as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from sync.sandbox import activities
from sync.sandbox.clock import from_iso, iso
from sync.sandbox.faults import Fault
from sync.sandbox.people import Simulation
from sync.sandbox.settings import as_text, with_change
from sync.sandbox.world import World

PEOPLE_ACTIONS = (
    "unsubscribe",
    "leave_list",
    "confirm",
    "bounce",
    "engage",
    "user_unsubscribe",
    "user_delete",
    "user_restore",
    "user_edit",
    "user_remove_from_list",
    "set_permission",
    "add_contact",
)


def admin_blueprint(world: World) -> Blueprint:
    pages = Blueprint("admin", __name__, url_prefix="/_sandbox")

    @pages.errorhandler(ValueError)
    @pages.errorhandler(LookupError)
    @pages.errorhandler(TypeError)
    @pages.errorhandler(OverflowError)
    def refuse(error: Exception) -> ResponseReturnValue:
        status = 404 if isinstance(error, LookupError) else 400
        return jsonify({"error": str(error)}), status

    def route(rule: str, method: str) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
        def register(handler: Callable[[], Any]) -> Callable[[], Any]:
            def call() -> Response:
                with world.lock:
                    activities.settle(world)
                    answer = handler()
                return jsonify({"ok": True} if answer is None else answer)

            pages.add_url_rule(rule, f"{method} {rule}", call, methods=[method])
            return handler

        return register

    _log_and_time(world, route)
    _faults_and_settings(world, route)
    _people(world, route)
    return pages


Route = Callable[[str, str], Callable[[Callable[[], Any]], Callable[[], Any]]]


def _log_and_time(world: World, route: Route) -> None:
    @route("/requests", "GET")
    def requests() -> Any:
        since = int(request.args.get("since", "0"))
        with_body = request.args.get("bodies", "true") == "true"
        prefix = request.args.get("path", "")
        entries = world.log.entries(since=since)
        shown = [e.as_json(with_body=with_body) for e in entries if e.path.startswith(prefix)]
        return {"requests": shown}

    @route("/requests", "DELETE")
    def forget_requests() -> Any:
        world.log.clear()

    @route("/clock", "GET")
    def clock() -> Any:
        return {"now": iso(world.clock.now_ms())}

    @route("/clock", "PUT")
    def set_clock() -> Any:
        """{"set": ISO} or {"advance": seconds} or {"freeze": true} or {"reset": true}."""
        body = _body()
        if "set" in body:
            world.clock.set(_instant(body["set"]))
        if "advance" in body:
            world.clock.advance(timedelta(seconds=float(body["advance"])))
        if body.get("freeze"):
            world.clock.freeze()
        if body.get("reset"):
            world.clock.reset()
        return clock()


def _faults_and_settings(world: World, route: Route) -> None:
    @route("/faults", "GET")
    def faults() -> Any:
        waiting = world.faults.waiting()
        return {"faults": [asdict(f) | {"number": n, "played": p} for n, f, p in waiting]}

    @route("/faults", "POST")
    def add_fault() -> Any:
        """The members of a `Fault`."""
        body = _body()
        known = {field.name for field in fields(Fault)}
        if unknown := set(body) - known:
            raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
        return {"number": world.faults.add(Fault(**body))}

    @route("/faults", "DELETE")
    def clear_faults() -> Any:
        world.faults.clear()

    @route("/plans", "POST")
    def plan() -> Any:
        """The members of a `Plan`: how coming activities shall end."""
        body = _body()
        body["errors"] = tuple(body.get("errors", ()))
        world.plans.append(activities.Plan(**body))

    @route("/settings", "GET")
    def settings() -> Any:
        return as_text(world.settings)

    @route("/settings", "PUT")
    def change_settings() -> Any:
        """Setting names and their values as text."""
        for name, value in _body().items():
            world.use(with_change(world.settings, name, str(value)))
        return as_text(world.settings)


def _people(world: World, route: Route) -> None:
    @route("/contacts", "GET")
    def contacts() -> Any:
        return {"contacts": _simulation(world).contacts(deleted=True)}

    @route("/audience", "GET")
    def audience() -> Any:
        return _simulation(world).audience()

    @route("/mails", "GET")
    def mails() -> Any:
        return {"mails": [{"kind": k, "email": e} for k, e in _simulation(world).mails()]}

    @route("/people", "POST")
    def act() -> Any:
        """{"action": one of PEOPLE_ACTIONS, "email": ..., and what the action takes}."""
        body = _body()
        action = body.pop("action", None)
        if action not in PEOPLE_ACTIONS:
            raise ValueError(f"an action is one of {', '.join(PEOPLE_ACTIONS)}")
        if "lists" in body:
            body["lists"] = tuple(body["lists"])
        getattr(_simulation(world), action)(**body)

    @route("/lists", "POST")
    def add_list() -> Any:
        made = _simulation(world).add_list(str(_body()["name"]))
        return {"list_id": made.list_id, "name": made.name}

    @route("/tags", "POST")
    def add_tag() -> Any:
        made = _simulation(world).add_tag(str(_body()["name"]))
        return {"tag_id": made.tag_id, "name": made.name}

    @route("/segments", "POST")
    def add_segment() -> Any:
        """{"name": ..., "lists": [names], "tags": [names], "status": [values of GET /contacts]}."""
        body = _body()
        given = {k: tuple(body[k]) for k in ("lists", "tags", "status") if k in body}
        return {"segment_id": _simulation(world).add_segment(str(body["name"]), **given)}

    @route("/fields", "POST")
    def add_field() -> Any:
        body = _body()
        made = _simulation(world).add_field(
            str(body["label"]),
            str(body.get("type", "string")),
            choices=tuple(body.get("choices", ())),
            metadata=body.get("metadata"),
            version=body.get("version"),
        )
        return {"custom_field_id": made.custom_field_id, "name": made.name}


def _simulation(world: World) -> Simulation:
    return Simulation(world, int(request.args.get("account", "1")))


def _body() -> dict[str, Any]:
    body = request.get_json(force=True)
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004 (answered 400)
    return body


def _instant(text: str) -> datetime:
    return datetime.fromtimestamp(from_iso(text) / 1000, UTC)
