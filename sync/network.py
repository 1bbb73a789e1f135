"""What became of a request that failed on the network: surely not sent, or nobody knows.

requests raises ConnectionError for a refused connection and for one that closed after the request
alike; only urllib3's reason inside tells them apart.
"""

import requests
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NewConnectionError,
    ProxyError,
    SSLError,
)


def surely_not_sent(error: requests.RequestException) -> bool:
    """Whether not a byte of the request itself can have reached the service.

    Name not found, connection refused, no connection in time, a proxy that makes no tunnel, a
    certificate that isn't trusted: all before the request. Anything else counts as unknown.
    """
    if isinstance(error, requests.ConnectTimeout | requests.exceptions.InvalidURL):
        return True
    cause = _cause(error)
    if isinstance(cause, ProxyError):
        return True
    if isinstance(cause, SSLError):
        return "CERTIFICATE_VERIFY_FAILED" in str(cause) or "WRONG_VERSION_NUMBER" in str(cause)
    return isinstance(cause, NewConnectionError | ConnectTimeoutError)


def _cause(error: requests.RequestException) -> object:
    cause = error.args[0] if error.args else None
    return cause.reason if isinstance(cause, MaxRetryError) else cause


def reason_of(error: requests.RequestException) -> str:
    """The failure's technical name, for the end of a sentence."""
    cause = _cause(error)
    return type(cause if isinstance(cause, Exception) else error).__name__
