"""The API's errors and their envelopes.

Most endpoints answer with a list of `error_key` and `error_message`; 401 and the refusals of the
gateway in front (403, 429) with one object (the contract's APIErrorSchema and
AuthorizationErrorSchema). Of the keys, `contacts.api.validation.error`, `contacts.api.not_found`,
`unauthorized`, `access_denied`, `throttled` and `quota_exceeded` are known; the others are guesses,
as the vendor publishes no full list.
"""

from __future__ import annotations

from typing import Any, Literal

Shape = Literal["list", "object", "message", "oauth", "empty", "html"]

HTML_PAGE = (
    "<html><head><title>{status}</title></head><body><h1>{status} {reason}</h1>"
    "<hr><center>cloudfront</center></body></html>"
)
DEFAULTS: dict[int, tuple[str, str]] = {
    400: ("contacts.api.validation.error", "The request is not valid."),
    401: ("unauthorized", "Unauthorized"),
    403: ("access_denied", "Request forbidden due to insufficient user privileges."),
    404: ("contacts.api.not_found", "The requested resource was not found."),
    405: ("contacts.api.method_not_allowed", "The method is not allowed here."),
    406: ("contacts.api.not_acceptable", "Only JSON is spoken here."),
    409: ("contacts.api.conflict", "The resource conflicts with an existing resource."),
    415: ("contacts.api.unsupported_media_type", "The payload must be in JSON format."),
    429: ("throttled", "Too Many Requests"),
    500: ("contacts.api.internal_error", "There was a problem with our internal service."),
    502: ("bad_gateway", "Bad Gateway"),
    503: ("service_unavailable", "Our internal service is temporarily unavailable."),
    504: ("gateway_timeout", "Gateway Timeout"),
}
OAUTH_ERRORS = {
    400: "invalid_request",
    401: "invalid_client",
    429: "too_many_requests",
    503: "temporarily_unavailable",
}
"""What the token endpoint calls them (RFC 6749, 4.1.2.1 and 5.2); others are `server_error`."""
OBJECT_STATUSES = frozenset({401, 403, 429, 502, 503, 504})
"""What the gateway answers before the service itself is reached."""


class ApiError(Exception):
    """An answer other than success."""

    def __init__(
        self,
        status: int,
        message: str | None = None,
        *,
        key: str | None = None,
        shape: Shape | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        default_key, default_message = DEFAULTS.get(status, DEFAULTS[500])
        super().__init__(message or default_message)
        self.status = status
        self.key = key or default_key
        self.message = message or default_message
        self.shape: Shape = shape or ("object" if status in OBJECT_STATUSES else "list")
        self.headers = headers or {}
        if status == 401:
            self.headers.setdefault("WWW-Authenticate", "Bearer realm=api.cc.email")


def invalid(message: str) -> ApiError:
    """400: the request's data are not valid."""
    return ApiError(400, message)


def not_found(message: str = "The requested resource was not found.") -> ApiError:
    return ApiError(404, message)


def conflict(message: str) -> ApiError:
    return ApiError(409, message)


def envelope(shape: Shape, key: str, message: str) -> Any:
    """The JSON of an error; None where the shape has no JSON."""
    if shape == "object":
        return {"error_key": key, "error_message": message}
    if shape == "message":
        return {"message": message}
    if shape == "oauth":
        return {"error": key, "error_description": message}
    if shape == "list":
        return [{"error_key": key, "error_message": message}]
    return None
