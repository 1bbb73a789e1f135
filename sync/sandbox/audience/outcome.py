"""What came of a bulk activity."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Outcome:
    """The counts that the activity's `status` shows, its error texts, and an export's file."""

    status: dict[str, int]
    errors: tuple[str, ...] = ()
    state: str = "completed"
    result: bytes | None = field(default=None, repr=False)
