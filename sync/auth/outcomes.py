"""What a call of the token endpoint can come to, other than a token.

Three kinds matter, since a refresh token works once: the request surely did no work (NotSent,
TooManyRequests), nobody knows (AnswerLost), or it was refused (Refused and its kinds).
"""

from sync.errors import (
    Busy,
    ContactSyncError,
    ExitCode,
    OutcomeUnknown,
    ServiceUnavailable,
)


class NotSent(ServiceUnavailable):
    """Nothing of the request reached the service."""


class TooManyRequests(Busy):
    """429: refused before any work; the endpoint takes one request a second."""


class AnswerLost(OutcomeUnknown):
    """The request was sent; whether it was carried out is not known."""


class Refused(ContactSyncError):
    """The endpoint understood the request and refused it (RFC 6749, section 5.2)."""

    exit_code = ExitCode.CONTRACT

    def __init__(
        self, message: str, *, status: int, error: str = "", description: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.description = description


class GrantRefused(Refused):
    """`invalid_grant`: the refresh token or the code is not, or no longer, good."""

    exit_code = ExitCode.AUTHORIZATION


class ClientRefused(Refused):
    """`invalid_client`: client_id or client_secret is wrong; this says nothing of the token."""

    exit_code = ExitCode.CONFIGURATION
