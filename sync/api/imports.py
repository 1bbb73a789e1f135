"""Bulk imports and their activities.

Sources: the contract's `/activities/contacts_json_import` and `/activities`, and the guide's
pages on importing contacts and on activity status.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator

from sync.api.session import ApiSession, Json
from sync.errors import ContractBroken, OutcomeUnknown

# The activity states that never change again; a state that we don't know is not among them.
# The contract's list filter calls one of them time_out in its text, timed_out in its values.
TERMINAL_STATES = frozenset({"completed", "cancelled", "failed", "timed_out", "time_out"})
_PATH = "/activities/contacts_json_import"


class ActivityCounts(BaseModel):
    """An activity's counts: persons and errors are an import's, items those of other activities.

    Of an import `items_total_count` may count a header row, so it tells nothing.
    """

    person_count: int | None = None
    error_count: int = 0
    correctable_count: int = 0
    cannot_add_to_list_count: int = 0
    items_total_count: int | None = None
    items_completed_count: int | None = None


class Activity(BaseModel):
    """A bulk activity as Constant Contact reports it."""

    activity_id: str
    state: str
    created_at: datetime | None = None
    completed_at: datetime | None = None
    # Declared as an array of strings; objects with a message occur too.
    activity_errors: list[Any] = Field(default_factory=list)
    status: ActivityCounts = Field(default_factory=ActivityCounts)

    @property
    def ended(self) -> bool:
        """Whether the activity will not change any more."""
        return self.state in TERMINAL_STATES

    @property
    def errors(self) -> tuple[str, ...]:
        """The errors' texts; they name no row and no address."""
        return tuple(
            " ".join(str(error.get("message") or error).split())
            if isinstance(error, dict)
            else " ".join(str(error).split())
            for error in self.activity_errors
        )

    @field_validator("activity_errors", "status", mode="before")
    @classmethod
    def _absent(cls, value: object, info: ValidationInfo) -> object:
        """Null stands for nothing: no errors, no counts yet."""
        if value is not None:
            return value
        return [] if info.field_name == "activity_errors" else {}

    @field_validator("created_at", "completed_at")
    @classmethod
    def _utc(cls, value: datetime | None) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


def post_import(session: ApiSession, payload: bytes) -> Activity:
    """Queue an import; raises OutcomeUnknown when it may or may not have been queued."""
    return accepted(session.post(_PATH, payload))


def accepted(answer: Json) -> Activity:
    """The activity that a request has queued; raises OutcomeUnknown when the answer is unclear."""
    try:
        return _activity(answer)
    except ContractBroken as error:
        raise OutcomeUnknown(str(error)) from None


def get_activity(session: ApiSession, activity_id: str) -> Activity:
    """One activity; raises RequestRefused with status 404 when it is gone (after ten days)."""
    return _activity(session.get(f"/activities/{activity_id}"))


def list_activities(session: ApiSession) -> Iterator[Activity]:
    """The account's activities, those of others too."""
    for page in session.pages("/activities", {"limit": 500}):
        items = page.get("activities") if isinstance(page, dict) else None
        if not isinstance(items, list):
            raise ContractBroken("Constant Contact answered GET /activities without activities.")
        yield from map(_activity, items)


def _activity(answer: Json) -> Activity:
    try:
        return Activity.model_validate(answer)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, each["loc"])) for each in error.errors())
        raise ContractBroken(
            f"Constant Contact described an activity in an unknown way (in {fields or 'all'})."
        ) from None
