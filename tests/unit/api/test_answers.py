"""Reading an error answer, whatever its envelope."""

import pytest
import requests
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
)

from sync.api.answers import Refusal, read_refusal
from sync.network import surely_not_sent


def _response(body: bytes, status: int = 400) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response._content = body
    return response


@pytest.mark.parametrize(
    ("body", "key", "message"),
    [
        (b'[{"error_key":"a.b","error_message":"Bad"}]', "a.b", "Bad"),
        (
            b'[{"error_key":"a","error_message":"One"},{"error_key":"b","error_message":"Two"}]',
            "a",
            "One; Two",
        ),
        (b'[{"error_key":"a","error_message":"One"},{"error_message":"One"}]', "a", "One"),
        (b'{"error_key":"unauthorized","error_message":"No"}', "unauthorized", "No"),
        (b'{"message":"Forbidden"}', "", "Forbidden"),
        (b'{"error":"invalid_grant","error_description":"Expired"}', "invalid_grant", "Expired"),
        (b'{"error_key":null,"error_message":null}', "", ""),
        (b'["just text", {"message":"And an object"}]', "", "And an object"),
        (b"<html><body>Bad gateway</body></html>", "", ""),
        (b"", "", ""),
        (b"null", "", ""),
        (b"3", "", ""),
        (b"\xff\xfe\x00", "", ""),
        (b'{"message":"Two\\nlines\\tof  text"}', "", "Two lines of text"),
    ],
)
def test_key_and_message_are_found_in_every_envelope(body: bytes, key: str, message: str) -> None:
    assert read_refusal(_response(body)) == Refusal(400, key, message)


def test_a_long_message_is_cut() -> None:
    assert len(read_refusal(_response(b'{"message":"' + b"x" * 9_000 + b'"}')).message) == 500


def test_a_refusal_reads_as_text() -> None:
    assert str(Refusal(400, "a.b", "Bad")) == "HTTP 400, a.b Bad"
    assert str(Refusal(502, "", "")) == "HTTP 502"


_NEW = NewConnectionError(None, "refused")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectTimeout(MaxRetryError(None, "/", ConnectTimeoutError())),  # type: ignore[arg-type]
        requests.ConnectionError(MaxRetryError(None, "/", _NEW)),  # type: ignore[arg-type]
        requests.ConnectionError(
            MaxRetryError(None, "/", NameResolutionError("h", None, OSError()))  # type: ignore[arg-type]
        ),
        requests.exceptions.ProxyError(
            MaxRetryError(None, "/", ProxyError("Unable to connect to proxy", _NEW))  # type: ignore[arg-type]
        ),
        requests.ConnectionError(_NEW),
    ],
)
def test_what_failed_before_the_request_was_surely_not_sent(
    error: requests.RequestException,
) -> None:
    assert surely_not_sent(error)


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectionError(ProtocolError("Connection aborted.", ConnectionResetError())),
        requests.ConnectionError(MaxRetryError(None, "/", ProtocolError("closed"))),  # type: ignore[arg-type]
        requests.ReadTimeout(ReadTimeoutError(None, "/", "slow")),  # type: ignore[arg-type]
        requests.exceptions.ChunkedEncodingError(ProtocolError("cut")),
        requests.ConnectionError(),
        requests.ConnectionError("text"),
    ],
)
def test_anything_else_may_have_arrived(error: requests.RequestException) -> None:
    assert not surely_not_sent(error)
