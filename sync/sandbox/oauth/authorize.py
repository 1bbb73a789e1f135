"""The authorise page: who asks, for what, and the Allow and Deny buttons.

An unknown application or a redirect address that is not registered letter for letter is answered
with a page of status 400, never with a redirect; every other problem is told to the application
by redirect (RFC 6749, 4.1.2.1; the vendor's server shows Okta's 400 page).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit, urlunsplit

from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from sync.sandbox.oauth.applications import Application, Registry
from sync.sandbox.oauth.grants import KNOWN_SCOPES, Consent, Grants
from sync.sandbox.settings import SandboxSettings
from sync.sandbox.world import World

AUTHORIZE_PATH = "/oauth2/default/v1/authorize"

SCOPES_IN_WORDS = {
    "contact_data": "See, add, change and delete your contacts, lists, tags and custom fields",
    "account_read": "See your account's details",
    "account_update": "Change your account's details",
    "campaign_data": "See and change your campaigns",
    "billing_data": "See your billing details",
    "offline_access": "Do so while you are away, until you withdraw this",
    "openid": "Know who you are",
    "profile": "See your name",
    "email": "See your e-mail address",
}


class PageError(Exception):
    """A problem that must not be sent to the redirect address."""


@dataclass(frozen=True, slots=True)
class Question:
    """A well-formed authorization request."""

    application: Application
    redirect_uri: str
    scope: str
    state: str | None
    challenge: str | None
    nonce: str | None

    def back(self, answer: Mapping[str, str]) -> str:
        """The address to send the browser to, with an answer in its query."""
        parts = urlsplit(self.redirect_uri)
        told = dict(answer) | ({"state": self.state} if self.state is not None else {})
        query = "&".join(filter(None, (parts.query, urlencode(told))))
        return urlunsplit(parts._replace(query=query))


@dataclass(frozen=True, slots=True)
class Refusal:
    """A problem that the application is told of by redirect."""

    address: str


def read_question(
    asked: Mapping[str, str], registry: Registry, settings: SandboxSettings
) -> Question | Refusal:
    """Check a request for authorization; raise PageError where no redirect is allowed."""
    application = registry.application(asked.get("client_id", ""))
    if application is None:
        raise PageError("The client_id is not that of a registered application.")
    redirect_uri = asked.get("redirect_uri", "")
    if not application.accepts_redirect(redirect_uri, any_loopback=settings.any_loopback_redirect):
        raise PageError(
            "The 'redirect_uri' parameter must be a Login redirect URI in the client app settings."
            f" Asked for: {redirect_uri or '(none)'}."
            f" Registered: {', '.join(application.redirect_uris)}."
        )
    question = Question(
        application=application,
        redirect_uri=redirect_uri,
        scope=asked.get("scope", ""),
        state=asked.get("state"),
        challenge=asked.get("code_challenge"),
        nonce=asked.get("nonce"),
    )
    problem = _problem(asked, question, settings)
    if problem is None:
        return question
    error, description = problem
    return Refusal(question.back({"error": error, "error_description": description}))


def _problem(
    asked: Mapping[str, str], question: Question, settings: SandboxSettings
) -> tuple[str, str] | None:
    if asked.get("response_type") != "code":
        return (
            "unsupported_response_type",
            "The response type is not supported by the authorization server.",
        )
    if settings.state_required and not question.state:
        return "invalid_request", "The authentication request has an invalid 'state' parameter."
    scopes = question.scope.split(" ") if question.scope else []
    if not scopes or not KNOWN_SCOPES.issuperset(scopes):
        return (
            "invalid_scope",
            "One or more scopes are not configured for the authorization server resource.",
        )
    if question.challenge is None:
        return None
    method = asked.get("code_challenge_method", "plain")
    if method != "S256" or not 43 <= len(question.challenge) <= 128:
        return "invalid_request", "The 'code_challenge_method' must be S256."
    return None


def decide(
    question: Question, *, allowed: bool, account: int, grants: Grants, settings: SandboxSettings
) -> str:
    """Where the browser goes after the button was pressed."""
    if not allowed:
        return question.back(
            {
                "error": "access_denied",
                "error_description": "The resource owner or authorization server denied"
                " the request.",
            }
        )
    consent = Consent(
        account=account,
        redirect_uri=question.redirect_uri,
        scope=question.scope,
        challenge=question.challenge,
        nonce=question.nonce,
    )
    return question.back({"code": grants.issue_code(question.application, consent, settings)})


def authorize_blueprint(world: World) -> Blueprint:
    pages = Blueprint("authorize", __name__)
    registry = Registry(world.database)
    grants = Grants(world.database, world.clock, world.signer)

    @pages.get(AUTHORIZE_PATH)
    def ask() -> ResponseReturnValue:
        try:
            question = read_question(request.args, registry, world.settings)
        except PageError as problem:
            return render_template("authorize_error.html", problem=str(problem)), 400
        if isinstance(question, Refusal):
            return redirect(question.address)
        page = render_template(
            "authorize.html",
            question=question,
            scopes=[SCOPES_IN_WORDS[scope] for scope in question.scope.split(" ")],
            accounts=registry.accounts(),
            asked=request.args,
            offline="offline_access" in question.scope.split(" "),
        )
        return page, 200, {"Cache-Control": "no-store"}

    @pages.post(AUTHORIZE_PATH)
    def answer() -> ResponseReturnValue:
        try:
            question = read_question(request.form, registry, world.settings)
        except PageError as problem:
            return render_template("authorize_error.html", problem=str(problem)), 400
        if isinstance(question, Refusal):
            return redirect(question.address, 303)
        account = request.form.get("account", "")
        known = {str(a.number): a.number for a in registry.accounts()}
        address = decide(
            question,
            allowed=request.form.get("decision") == "allow",
            account=known.get(account, 1),
            grants=grants,
            settings=world.settings,
        )
        return redirect(address, 303)

    return pages
