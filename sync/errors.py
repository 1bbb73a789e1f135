"""Everything that can go wrong in a way that a person may meet.

Each class carries a stable exit code (BSD's sysexits.h where it has one) and its message is the
sentence that the person reads: what happened, to what, and what to do next. `sync.cli` is the one
place that turns an exception into that sentence and that code.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What the process returns; stable, since service managers and scripts decide by it."""

    DONE = 0
    DONE_WITH_REJECTS = 3
    DONE_WITH_DRIFT = 4
    USAGE = 64
    GUARD = 65
    SOURCE = 66
    UNAVAILABLE = 69
    BUG = 70
    STATE = 74
    BUSY = 75
    CONTRACT = 76
    AUTHORIZATION = 77
    CONFIGURATION = 78

    @property
    def meaning(self) -> str:
        """One line for `--help` and the documents."""
        return _MEANINGS[self]

    @property
    def passes_by_itself(self) -> bool:
        """Whether what went wrong may be well again later without a person."""
        return self not in _DONE and self not in _FOR_A_PERSON


# Of several ends the most urgent one first.
_URGENCY = (
    ExitCode.BUG,
    ExitCode.USAGE,
    ExitCode.CONFIGURATION,
    ExitCode.AUTHORIZATION,
    ExitCode.STATE,
    ExitCode.GUARD,
    ExitCode.SOURCE,
    ExitCode.CONTRACT,
    ExitCode.UNAVAILABLE,
    ExitCode.BUSY,
    ExitCode.DONE_WITH_DRIFT,
    ExitCode.DONE_WITH_REJECTS,
    ExitCode.DONE,
)
_DONE = frozenset({ExitCode.DONE, ExitCode.DONE_WITH_REJECTS})
_FOR_A_PERSON = frozenset(
    {ExitCode.USAGE, ExitCode.GUARD, ExitCode.AUTHORIZATION, ExitCode.CONFIGURATION}
)
_MEANINGS = {
    ExitCode.DONE: "done, also when there was nothing to do",
    ExitCode.DONE_WITH_REJECTS: "done, but some contacts were rejected here or refused there",
    ExitCode.DONE_WITH_DRIFT: "verified, but Constant Contact holds otherwise than it was sent",
    ExitCode.USAGE: "the command line is wrong",
    ExitCode.GUARD: "stopped by the guard before anything was sent; a person must look",
    ExitCode.SOURCE: "the source is missing or can't be read",
    ExitCode.UNAVAILABLE: "Constant Contact can't be reached or answers with an error",
    ExitCode.BUG: "a fault in contact-sync itself",
    ExitCode.STATE: "the state can't be read or written",
    ExitCode.BUSY: "busy: another run holds the lock, or today's quota is spent; try later",
    ExitCode.CONTRACT: "Constant Contact answered in a way that its contract doesn't allow",
    ExitCode.AUTHORIZATION: "a person must authorize (again): contact-sync authorize",
    ExitCode.CONFIGURATION: "the configuration is wrong",
}


def urgency(code: ExitCode) -> int:
    """For sorting: the less, the sooner a person should look."""
    return _URGENCY.index(code)


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """The most urgent of several ends."""
    return min(codes, key=urgency, default=ExitCode.DONE)


class ContactSyncError(Exception):
    """The root; its text is a whole sentence for the person who runs the program."""

    exit_code: ClassVar[ExitCode] = ExitCode.BUG


class UsageError(ContactSyncError):
    """The command line asks for something that can't be done."""

    exit_code = ExitCode.USAGE


class ConfigurationError(ContactSyncError):
    """The configuration is missing, unreadable or wrong; all its problems at once."""

    exit_code = ExitCode.CONFIGURATION

    def __init__(self, message: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__("\n".join([message, *(f"  - {problem}" for problem in problems)]))
        self.problems = problems


class GuardStopped(ContactSyncError):
    """The plan looks like an accident in the source; nothing was sent."""

    exit_code = ExitCode.GUARD


class SourceEmpty(GuardStopped):
    """The source has no row or no valid contact: there is no plan that a person could approve."""


class SourceError(ContactSyncError):
    """The source is missing, unreadable, or has no usable column; nothing was sent."""

    exit_code = ExitCode.SOURCE


class StateError(ContactSyncError):
    """The state database or a file beside it can't be read or written."""

    exit_code = ExitCode.STATE


class Busy(ContactSyncError):
    """Nothing is wrong, but it can't be done now."""

    exit_code = ExitCode.BUSY


class RunLocked(Busy):
    """Another run of the same account holds the lock."""


class LockLost(Busy):
    """The lock of what is under way has gone, and another process may have it by now."""


class QuotaExhausted(Busy):
    """The application's requests of this UTC day are spent; there are new ones at `until`."""

    def __init__(self, message: str, *, until: datetime) -> None:
        super().__init__(message)
        self.until = until


class StopRequested(Busy):
    """A person or the service manager asked the run to stop; what is left waits in the outbox."""


class ServiceUnavailable(ContactSyncError):
    """Constant Contact could not be reached, or answered with a passing error, several times."""

    exit_code = ExitCode.UNAVAILABLE


class OutcomeUnknown(ServiceUnavailable):
    """A request that changes something was sent, and its answer was lost."""


class ContractBroken(ContactSyncError):
    """Constant Contact's answer can't be understood."""

    exit_code = ExitCode.CONTRACT


class RequestRefused(ContactSyncError):
    """Constant Contact understood a request and refused it (400, 404, 405, 409, 415)."""

    exit_code = ExitCode.CONTRACT

    def __init__(self, message: str, *, status: int, error_key: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.error_key = error_key


class AuthorizationNeeded(ContactSyncError):
    """No usable authorization: none yet, withdrawn, or without the scope that is needed."""

    exit_code = ExitCode.AUTHORIZATION


class AuthorizationLost(AuthorizationNeeded):
    """The refresh token was refused for good; only a person's new consent helps."""


class AccessForbidden(AuthorizationNeeded):
    """403: a scope or a user privilege is missing, or the application was deactivated."""
