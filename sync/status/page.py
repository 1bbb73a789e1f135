"""The web application: read-only, with nothing in it that a person must not see."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from flask import Flask, Response, abort, render_template, request, send_file

from sync.clock import Clock
from sync.errors import StateError
from sync.schedule import local_time
from sync.status.facts import Facts, Standing, by_need
from sync.status.metrics import CONTENT_TYPE, exposition
from sync.status.watched import View, Watched

# Nothing is loaded from elsewhere, no script runs, and no other page may frame this one.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
# A report is one file with its style within.
_REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"

Health = tuple[str, int, dict[str, str]]


def application(watched: Watched, hosts: frozenset[str], clock: Clock) -> Flask:
    """The application; it answers only requests that call it by one of the `hosts`.

    A page of somebody else's, whose name was made to lead here, could read it otherwise.
    """
    app = Flask(__name__, static_folder=None)
    app.jinja_env.trim_blocks = True
    app.jinja_env.filters["number"] = lambda count: f"{count:,}"
    app.jinja_env.filters["instant"] = lambda instant: f"{instant:%Y-%m-%d %H:%M:%S} UTC"
    style = Path(__file__).with_name("style.css").read_text(encoding="utf-8")

    @app.before_request
    def _check() -> None:
        if hosts and (request.host.rpartition(":")[0] or request.host) not in hosts:
            abort(421)  # RFC 9110, section 15.5.20: misdirected request

    @app.after_request
    def _protect(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    @app.errorhandler(StateError)
    def _no_state(error: StateError) -> tuple[str, int, dict[str, str]]:
        return f"{error}\n", 503, {"Content-Type": "text/plain; charset=utf-8"}

    def view_of(account: str) -> View:
        found = watched.view(account)
        if found is None:
            abort(404)
        return found

    @app.get("/")
    def _page() -> str:
        standings = by_need(watched.standings())
        if not watched.many:
            return _of_account(view_of(standings[0].account), many=False)
        return render_template(
            "accounts.html",
            standings=standings,
            needed=sum(not standing.well for standing in standings),
            now=clock(),
            hosts=watched.hosts(),
        )

    @app.get("/accounts/<account>")
    def _account(account: str) -> str:
        return _of_account(view_of(account), many=watched.many)

    @app.get("/style.css")
    def _style() -> Response:
        return Response(style, content_type="text/css; charset=utf-8")

    @app.get("/favicon.ico")
    def _icon() -> tuple[str, int]:
        return "", 204

    @app.get("/healthz")
    def _health() -> Health:
        return _healthy(by_need(watched.standings()), names=watched.many)

    @app.get("/accounts/<account>/healthz")
    def _health_of(account: str) -> Health:
        return _healthy([view_of(account).facts], names=False)

    @app.get("/metrics")
    def _metrics() -> Response:
        return Response(exposition(watched.standings()), content_type=CONTENT_TYPE)

    @app.get("/accounts/<account>/reports/<int:number>")
    def _report(account: str, number: int) -> Response:
        if not watched.settings().status.show_reports:
            abort(404)
        history = view_of(account).history
        found = [run.report for run in history if run.id == number and run.report]
        if not found or not found[0].is_file():
            abort(404)
        response = send_file(found[0], mimetype="text/html", max_age=0)
        response.headers["Content-Security-Policy"] = _REPORT_POLICY
        return response

    return app


def _of_account(view: View, *, many: bool) -> str:
    return render_template(
        "status.html",
        facts=view.facts,
        history=view.history,
        many=many,
        next_at=local_time(view.settings.schedule, view.facts.next_start.at),
        show_reports=view.settings.status.show_reports,
        left=_left(view.facts),
    )


def _healthy(standings: Sequence[Standing], *, names: bool) -> Health:
    ill = [standing for standing in standings if not standing.well]
    told = [f"{each.account}: {each.trouble}" if names else each.trouble for each in ill]
    text = "\n".join(told) or "ok"
    return f"{text}\n", 503 if ill else 200, {"Content-Type": "text/plain; charset=utf-8"}


def _left(facts: Facts) -> Callable[[datetime | None], str]:
    def left(until: datetime | None) -> str:
        if until is None:
            return "unknown"
        seconds = int((until - facts.now).total_seconds())
        if seconds <= 0:
            return "over"
        days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
        return f"{days} d {hours} h" if days else f"{hours} h {minutes} min"

    return left
