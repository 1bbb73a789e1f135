"""The one way in which a target fails."""

from typing import ClassVar

from sync.errors import ContactSyncError, ExitCode


class FeedbackFailed(ContactSyncError):
    """A target can't be written now; it is told, and the next run tries again."""

    exit_code: ClassVar[ExitCode] = ExitCode.CONFIGURATION
