"""The Flask application: the authorisation server, the API, and the sandbox's own pages."""

from __future__ import annotations

from flask import Flask, g, redirect, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from sync.sandbox.admin.authority import authority_blueprint
from sync.sandbox.admin.endpoints import admin_blueprint
from sync.sandbox.admin.pages import pages_blueprint
from sync.sandbox.api.account import account_blueprint
from sync.sandbox.api.activities import activities_blueprint
from sync.sandbox.api.bulk import bulk_blueprint
from sync.sandbox.api.contacts import contacts_blueprint
from sync.sandbox.api.fields import fields_blueprint
from sync.sandbox.api.gate import admit, error_response
from sync.sandbox.api.lists import lists_blueprint
from sync.sandbox.api.problems import ApiError
from sync.sandbox.api.tags import tags_blueprint
from sync.sandbox.oauth.authorize import authorize_blueprint
from sync.sandbox.oauth.token_endpoint import token_blueprint
from sync.sandbox.world import World


def build_app(world: World) -> Flask:
    app = Flask("sync.sandbox", template_folder="admin/templates")
    app.url_map.strict_slashes = False
    app.config["PROPAGATE_EXCEPTIONS"] = True
    for blueprint in (
        authorize_blueprint(world),
        token_blueprint(world),
        account_blueprint(world),
        activities_blueprint(world),
        bulk_blueprint(world),
        contacts_blueprint(world),
        fields_blueprint(world),
        lists_blueprint(world),
        tags_blueprint(world),
        admin_blueprint(world),
        authority_blueprint(world),
        pages_blueprint(world),
    ):
        app.register_blueprint(blueprint)

    @app.get("/")
    def home() -> ResponseReturnValue:
        return redirect("/_sandbox/")

    @app.errorhandler(ApiError)
    def api_error(error: ApiError) -> ResponseReturnValue:
        return error_response(error)

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> ResponseReturnValue:
        """Wrong addresses and methods; the API's gate comes before them."""
        if not request.path.startswith("/v3"):
            return error.get_response()
        try:
            with world.lock:
                admit(world)
        except ApiError as refusal:
            return error_response(refusal)
        return error_response(ApiError(error.code or 500))

    @app.teardown_request
    def tell_who_called(_: BaseException | None) -> None:
        """Hand what the gate learnt to the request log."""
        request.environ["sandbox.application"] = g.get("application")
        request.environ["sandbox.account"] = g.get("account")

    return app
