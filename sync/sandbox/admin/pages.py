"""The pages a person sees in a browser: what Constant Contact would hold, and what was asked of it.

The buttons do what the product's user, or the recipient of a mail, could do by themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from sync.sandbox import activities
from sync.sandbox.api.contacts import show_people
from sync.sandbox.audience.catalog import Lists, Tags
from sync.sandbox.audience.person import People, Person, contact_seq
from sync.sandbox.audience.resource import SUB_RESOURCES
from sync.sandbox.oauth.applications import Registry
from sync.sandbox.people import Simulation
from sync.sandbox.settings import as_text, choices, with_change
from sync.sandbox.world import World

PEOPLE_ON_A_PAGE = 50
LINES_ON_A_PAGE = 200
FIXED_AT_START = frozenset(
    {
        "client_id",
        "client_secret",
        "organization_name",
        "contact_email",
        "request_log_entries",
        "request_log_bytes",
    }
)

ACTIONS: dict[str, tuple[str, Callable[[Simulation, str, str], None]]] = {
    "unsubscribe": ("Recipient unsubscribes", lambda p, email, _: p.unsubscribe(email)),
    "leave": ("Recipient leaves", lambda p, email, name: p.leave_list(email, name)),
    "confirm": ("Recipient confirms", lambda p, email, _: p.confirm(email)),
    "bounce": ("Mails bounce", lambda p, email, _: p.bounce(email)),
    "rename": ("User changes", lambda p, email, name: p.user_edit(email, {"first_name": name})),
    "user-unsubscribe": ("User unsubscribes", lambda p, email, _: p.user_unsubscribe(email)),
    "delete": ("User deletes", lambda p, email, _: p.user_delete(email)),
    "restore": ("User restores", lambda p, email, _: p.user_restore(email)),
}


def pages_blueprint(world: World) -> Blueprint:
    pages = Blueprint("pages", __name__, url_prefix="/_sandbox")
    registry = Registry(world.database)

    def account() -> int:
        return request.args.get("account", 1, type=int)

    def show(template: str, **values: Any) -> str:
        return render_template(
            template,
            here=template.removesuffix(".html"),
            accounts=registry.accounts(),
            account=account(),
            world=world,
            **values,
        )

    @pages.before_request
    def see_everything() -> None:
        with world.lock:
            activities.settle(world)

    @pages.get("/")
    def people() -> ResponseReturnValue:
        wanted = request.args.get("q", "").strip().lower()
        start = max(0, request.args.get("start", 0, type=int))
        with world.lock:
            found, total, deleted = _search(world, account(), wanted, start)
            shown = show_people(world, account(), found, ("list_memberships",))
            names = {one.list_id: one.name for one in Lists(world.database).all(account())}
        following = start + PEOPLE_ON_A_PAGE
        return show(
            "people.html",
            people=shown,
            names=names,
            total=total,
            deleted=deleted,
            q=wanted,
            start=start,
            following=following if following < total else None,
            before=max(0, start - PEOPLE_ON_A_PAGE) if start else None,
        )

    @pages.get("/person/<contact_id>")
    def person(contact_id: str) -> ResponseReturnValue:
        with world.lock:
            found = People(world.database).get(account(), contact_seq(contact_id))
            if found is None:
                abort(404)
            simulation = Simulation(world, account())
            shown = show_people(world, account(), [found], SUB_RESOURCES)[0]
            lists = {one.list_id: one.name for one in simulation.lists()}
            fields = {field.custom_field_id: field for field in simulation.fields()}
            tags = [tag.name for tag in simulation.tags() if tag.tag_id in shown["taggings"]]
        return show(
            "person.html", person=shown, lists=lists, fields=fields, tags=tags, actions=ACTIONS
        )

    @pages.post("/person/<contact_id>/<action>")
    def act(contact_id: str, action: str) -> ResponseReturnValue:
        with world.lock:
            found = People(world.database).get(account(), contact_seq(contact_id))
            if found is None or found.email is None or action not in ACTIONS:
                abort(404)
            ACTIONS[action][1](
                Simulation(world, account()), found.email, request.form.get("value", "")
            )
        return redirect(url_for("pages.person", contact_id=contact_id, account=account()), 303)

    @pages.get("/catalog")
    def catalog() -> ResponseReturnValue:
        with world.lock:
            simulation, lists = Simulation(world, account()), Lists(world.database)
            counts = lists.membership_counts(account(), active_only=False)
            return show(
                "catalog.html",
                lists=simulation.lists(),
                counts=counts,
                fields=simulation.fields(),
                tags=simulation.tags(),
                tagged=Tags(world.database).counts(account()),
                segments=simulation.segments(),
            )

    @pages.get("/activity")
    def activity() -> ResponseReturnValue:
        with world.lock:
            rows = activities.listed(world, account(), None)[:LINES_ON_A_PAGE]
            shown = [(row["kind"], activities.show(world, row)) for row in rows]
            return show("activity.html", activities=shown)

    @pages.get("/log")
    def log() -> ResponseReturnValue:
        entries = world.log.entries()[-LINES_ON_A_PAGE:]
        return show("log.html", entries=entries[::-1], moment=_moment)

    @pages.get("/switches")
    def switches() -> ResponseReturnValue:
        texts = as_text(world.settings)
        rows = [(n, text, choices(n)) for n, text in texts.items() if n not in FIXED_AT_START]
        return show("switches.html", rows=rows, problem=request.args.get("problem"))

    @pages.post("/switches")
    def switch() -> ResponseReturnValue:
        problem = None
        try:
            changed = with_change(world.settings, request.form["name"], request.form["value"])
            world.use(changed)
        except ValueError as error:
            problem = str(error)
        return redirect(url_for("pages.switches", account=account(), problem=problem), 303)

    return pages


def _search(world: World, account: int, wanted: str, start: int) -> tuple[list[Person], int, int]:
    """One page of contacts whose address contains a text; how many there are, and are deleted."""
    where = "account = ? AND (? = '' OR instr(email_key, ?) > 0)"
    values = (account, wanted, wanted)
    total = world.database.value(f"SELECT count(*) FROM contact WHERE {where}", values)  # noqa: S608
    sql = f"SELECT seq FROM contact WHERE {where} ORDER BY seq LIMIT ? OFFSET ?"  # noqa: S608
    rows = world.database.all(sql, (*values, PEOPLE_ON_A_PAGE, start))
    sql = f"SELECT count(*) FROM contact WHERE deleted_at IS NOT NULL AND {where}"  # noqa: S608
    deleted = world.database.value(sql, values)
    return People(world.database).many(account, [row[0] for row in rows]), int(total), int(deleted)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S.%f")[:-3]
