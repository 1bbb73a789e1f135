"""What can be chosen about a sandbox: its limits, its lifetimes, and every open question.

Where the vendor's documents are silent or contradict each other, the real service may behave in
either way. Each such question is one setting here, and its default is the behaviour that asks more
caution of a client. The table in this folder's README says where each question comes from.
"""

from __future__ import annotations

import types
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

DEFAULT_REDIRECT_URIS = ("http://localhost:8085/callback", "http://127.0.0.1:8085/callback")


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """One sandbox's choices; `dataclasses.replace` makes a changed copy."""

    # --- the application and its account -------------------------------------------------------
    client_id: str | None = None
    """None: a fresh one is made up (and kept in the database file, if there is one)."""
    client_secret: str | None = None
    redirect_uris: tuple[str, ...] = DEFAULT_REDIRECT_URIS
    any_loopback_redirect: bool = False
    """Accept any http://localhost or http://127.0.0.1 address. The real service never does."""
    organization_name: str = "Sandbox Company"
    contact_email: str = "owner@sandbox.example"

    # --- tokens --------------------------------------------------------------------------------
    expires_in: timedelta = timedelta(hours=24)
    refresh_token_kind: Literal[
        "rotating", "long-lived", "long-lived, omitted", "long-lived, empty"
    ] = "rotating"  # noqa: S105 (a kind)
    """A long-lived one comes again with each refresh, or does not, or as an empty text."""
    refresh_idle_limit: timedelta | None = timedelta(days=180)
    """None: refresh tokens never age out, as answers about the service before 2022 say."""
    code_lifetime: timedelta = timedelta(minutes=5)
    rotation_grace: timedelta = timedelta(0)
    """How long a refresh token that was just replaced still works."""
    new_pair_kills_access_token: bool = True
    second_consent_kills_earlier: bool = True
    code_reuse_revokes: bool = True
    """A code that comes twice revokes what the first use gave (RFC 6749, 4.1.2)."""
    refresh_reuse_revokes: bool = False
    """A replaced refresh token that comes again ends the whole grant, as Okta's servers can."""
    state_required: bool = True

    # --- limits --------------------------------------------------------------------------------
    requests_per_second: int | None = 4
    requests_per_day: int | None = 10_000
    refused_calls_count: bool = True
    """Whether calls that were answered 429 use up the day's quota."""
    token_calls_per_second: int | None = 1
    token_calls_count: bool = False
    """Whether calls of the token endpoint use up the day's quota."""
    queued_activities: int = 1_000
    lists_per_account: int = 1_000
    fields_per_account: int = 100
    throttle_body: Literal["object", "list", "message", "empty", "html"] = "object"
    retry_after: int | None = None
    """Seconds for a Retry-After header on 429; the real service is said to send none."""

    # --- activities ----------------------------------------------------------------------------
    start_delay: timedelta = timedelta(seconds=0.1)
    """How long an activity stays `initialized`."""
    processing_time: timedelta = timedelta(seconds=0.3)
    """How long from its request until it is `completed`."""
    processing_time_per_1000: timedelta = timedelta(0)
    """What each thousand contacts add to that."""
    activity_retention: timedelta = timedelta(days=10)
    import_status: Literal[200, 201, 202] = 201
    counts_in_first_answer: bool = False
    activity_errors_shape: Literal["strings", "objects"] = "strings"
    activity_errors_text: Literal["plain", "lines"] = "plain"
    header_row_counted: bool = True
    """items_total_count of an import counts a header row, even for JSON."""
    correctable_in_errors: bool = False
    """Whether error_count also contains the correctable ones."""
    all_rejected: Literal["completed", "failed"] = "completed"

    # --- imports -------------------------------------------------------------------------------
    import_bytes_limit: int = 4_000_000
    oversize_import: Literal["truncate", "fail"] = "truncate"
    import_contacts_limit: int = 40_000
    import_email_max: Literal[50, 80] = 50
    import_phone_max: Literal[25, 50] = 25
    """The import's schema says 50 characters, but a contact's phone number holds 25."""
    custom_fields_per_contact: Literal[25, 50] = 25
    home_country_key: Literal["space", "underscore", "both"] = "space"
    """How an import spells the country of the home address."""
    unknown_custom_field: Literal["drop", "error", "fail"] = "drop"
    unknown_import_property: Literal["reject", "ignore"] = "reject"
    empty_string_in_import: Literal["keep", "clear"] = "keep"
    null_in_import: Literal["keep", "clear"] = "keep"
    unsubscribed_fields_updated: bool = False
    deleted_on_import: Literal["revive", "refuse"] = "revive"
    held_on_import: Literal["add", "refuse"] = "add"
    """Contacts in temp_hold or pending_confirmation."""
    duplicates_in_import: Literal["last", "first", "error"] = "last"
    email_case: Literal["insensitive", "sensitive"] = "insensitive"
    stored_email_case: Literal["as sent", "lower"] = "as sent"
    typed_values: Literal["strict", "lenient", "drop"] = "strict"
    """Of a custom field's value that is not of its type: the contact is refused, the value is
    taken as it is, or it is dropped without a word."""
    select_in_import: Literal["labels", "ids", "both"] = "labels"
    """What names a choice of a select in an import, which has no `choice_ids`."""
    import_downgrades_explicit: bool = False
    list_removal_on_import: Literal["put back", "stay off"] = "put back"
    welcome_mail_on_import: bool = True
    unknown_list_on_import: Literal["reject", "ignore"] = "reject"

    # --- contacts ------------------------------------------------------------------------------
    list_removal_moves_updated_at: bool = False
    delete_moves_updated_at: bool = False
    add_unsubscribed_to_lists: bool = False
    """Whether add_list_memberships puts globally unsubscribed contacts on a list."""
    confirmed_opt_in: bool = False
    sign_up_email_max: Literal[50, 80] = 50
    sign_up_fields_max: Literal[25, 50] = 25
    """The sign-up form's schema says 50 custom fields, everything else 25 for a contact."""
    remove_list_limits: Literal["text", "schema"] = "text"
    """How many ids remove_list_memberships takes: 500 contacts and 50 lists by its text, none at
    all by its schema."""
    contact_change_time: timedelta = timedelta(0)
    """How long a PUT or a sign-up takes; another one of the same contact meanwhile is 409."""
    segment_accepted_first: bool = True
    """The first search by a segment is answered 202, without contacts."""
    paging: Literal["by place", "by count"] = "by place"
    """Whether a cursor of GET /contacts holds a place, or a count that shifts with the data."""
    state_filter: Literal["timed_out", "time_out", "both"] = "timed_out"
    lists_limit_max: Literal[500, 1000] = 500
    nested_tag_links: bool = False
    """Tags' next link at `_links.next.next.href` (the schema) or `_links.next.href`."""
    choice_id_form: Literal["integer", "text"] = "integer"
    anonymous_status: Literal[401, 403] = 401

    # --- the sandbox itself --------------------------------------------------------------------
    fast: bool = False
    """Skip the checks of each imported value; for measuring clients with very many contacts."""
    request_log_entries: int = 100_000
    request_log_bytes: int = 64_000_000
    """Bodies are kept in the request log up to this many bytes; the oldest go first."""


def with_change(settings: SandboxSettings, name: str, text: str) -> SandboxSettings:
    """Return a copy with one setting read from text, as a command line or an admin gives it."""
    hints = get_type_hints(SandboxSettings)
    if name not in hints:
        known = ", ".join(field.name for field in fields(SandboxSettings))
        raise ValueError(f"there is no setting {name!r}; known are: {known}")
    changed: dict[str, Any] = {name: _read(name, hints[name], text)}
    return replace(settings, **changed)


def as_text(settings: SandboxSettings) -> dict[str, str]:
    """Every setting as the text that `with_change` reads."""
    return {
        field.name: write_value(getattr(settings, field.name)) for field in fields(SandboxSettings)
    }


def choices(name: str) -> list[str]:
    """The values that a setting with a closed set of values may have; else nothing."""
    hint = get_type_hints(SandboxSettings)[name]
    if hint is bool:
        return ["true", "false"]
    return [str(value) for value in get_args(hint)] if get_origin(hint) is Literal else []


def write_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.12g}"
    if isinstance(value, tuple):
        return " ".join(value)
    return "none" if value is None else str(value)


def _read(name: str, hint: Any, text: str) -> object:
    if get_origin(hint) in (Union, types.UnionType):
        if text.lower() == "none":
            return None
        hint = next(part for part in get_args(hint) if part is not type(None))
    if get_origin(hint) is Literal:
        for value in get_args(hint):
            if str(value) == text:
                return value
        raise ValueError(f"{name} is one of {', '.join(str(v) for v in get_args(hint))}")
    if get_origin(hint) is tuple:
        return tuple(text.split())
    if hint is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(f"{name} is true or false")
        return text.lower() == "true"
    if hint is timedelta:
        try:
            return timedelta(seconds=float(text))
        except OverflowError:
            raise ValueError(f"{name} is too long a time") from None
    return hint(text)
