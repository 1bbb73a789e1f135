"""The pages a person sees in a browser: the audience, the activities and the request log."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template
from flask.typing import ResponseReturnValue

from sync.sandbox.world import World


def pages_blueprint(world: World) -> Blueprint:
    pages = Blueprint("pages", __name__)

    @pages.get("/")
    def home() -> ResponseReturnValue:
        return redirect("/_sandbox/")

    @pages.get("/_sandbox/")
    def start() -> ResponseReturnValue:
        return render_template("start.html", world=world)

    return pages
