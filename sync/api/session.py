"""One request to the API: pace, token, retry where it is safe, and errors as sentences."""

import email.utils
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
import structlog
import tenacity
from requests.auth import AuthBase

from sync.api.abandoning import Abandoned, RequestThread
from sync.api.answers import explain, read_refusal
from sync.api.limits import Limits
from sync.clock import Clock, utc_now
from sync.errors import (
    AuthorizationNeeded,
    Busy,
    ConfigurationError,
    ContactSyncError,
    ContractBroken,
    OutcomeUnknown,
    ServiceUnavailable,
)
from sync.network import surely_not_sent
from sync.stop import Stop

Json = Any
Params = Mapping[str, str | int]

ATTEMPTS = 7
# For a person who waits at the terminal.
FEW_ATTEMPTS = 3
_SHORTEST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(seconds=60)
_NO_CONTENT = 204
# What requests raises for an address that can't be one, before it connects to anything.
_NO_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
)
_log = structlog.get_logger()


class TokenSource(Protocol):
    """Who hands out access tokens (the vault)."""

    def access_token(self) -> str:
        """A token that is good for now."""
        ...

    def renew(self, rejected: str) -> str:
        """Another token than the one that was answered with 401."""
        ...


@dataclass(frozen=True, slots=True)
class _Request:
    """A request, and whether it may be sent again when nobody knows if it arrived."""

    method: str
    path: str
    params: Params | None = None
    body: bytes | None = None

    @property
    def repeatable(self) -> bool:
        return self.method == "GET"

    def __str__(self) -> str:
        return f"{self.method} {self.path.partition('?')[0]}"


@dataclass
class _Again(Exception):
    """The attempt failed in a way that a later one may mend; `error` is raised after the last."""

    error: ContactSyncError
    pause: timedelta | None = None


class _Bearer(AuthBase):
    """Sets the token; as requests' own `auth`, since a netrc file would replace a mere header."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class ApiSession:
    """The connection to one account's API.

    A request that only reads, or that was surely not carried out, is repeated with growing
    pauses. One that changes something and whose answer was lost is not: OutcomeUnknown tells the
    caller to look first.
    """

    def __init__(
        self,
        base_url: str,
        tokens: TokenSource,
        limits: Limits,
        stop: Stop,
        *,
        timeout: timedelta,
        clock: Clock = utc_now,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._attempts = attempts
        self._base_url = base_url.rstrip("/")
        self._tokens = tokens
        self._limits = limits
        self._stop = stop
        self._timeout = timeout.total_seconds()
        self._clock = clock
        self._thread = RequestThread(stop)
        self._http = requests.Session()
        self._http.headers["Accept"] = "application/json"
        self.requests_sent = 0
        # How far our clock is ahead of the service's, by its last answer.
        self.clock_difference: timedelta | None = None

    def close(self) -> None:
        """Close the connections."""
        self._thread.close()
        self._http.close()

    def get(self, path: str, params: Params | None = None) -> Json:
        """A reading request; repeated on passing faults."""
        return self._perform(_Request("GET", path, params=params))

    def post(self, path: str, body: bytes) -> Json:
        """A changing request; raises OutcomeUnknown when its answer was lost."""
        return self._perform(_Request("POST", path, body=body))

    def put(self, path: str, body: bytes) -> Json:
        """A changing request; raises OutcomeUnknown when its answer was lost."""
        return self._perform(_Request("PUT", path, body=body))

    def pages(
        self,
        path: str,
        params: Params | None = None,
        *,
        slid: Callable[[Json, Json], int] | None = None,
    ) -> Iterator[Json]:
        """Every page of a collection, by the cursor in `_links.next.href`.

        `slid` tells of each page and the one before it onto how many of the pages before something
        may have slid that was on neither: these come once more.
        """
        asked: list[_Request] = []
        request = _Request("GET", path, params=params)
        followed: set[str] = set()
        before: Json = None
        while True:
            page = self._perform(request)
            yield page
            if slid and asked:
                for again in asked[: -1 - slid(before, page) : -1]:
                    yield self._perform(again)
            href = _next_href(page)
            if href is None:
                return
            if href in followed:
                raise ContractBroken(f"Constant Contact's pages of {path} go in a circle.")
            followed.add(href)
            asked.append(request)
            before, request = page, _Request("GET", self._path_of(href))

    def _perform(self, request: _Request) -> Json:
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Again),
            stop=tenacity.stop_after_attempt(self._attempts),
            wait=_pause,
            sleep=lambda seconds: self._stop.sleep(timedelta(seconds=seconds)),
            reraise=True,
        )
        try:
            return attempts(self._attempt, request)
        except _Again as failed:
            raise failed.error from None

    def _attempt(self, request: _Request) -> Json:
        token = self._tokens.access_token()
        response = self._send(request, token)
        if response.status_code == 401:
            response = self._send(request, self._tokens.renew(token))
        return self._judge(request, response)

    def _send(self, request: _Request, token: str) -> requests.Response:
        self._stop.check()
        headers = {} if request.body is None else {"Content-Type": "application/json"}
        send = partial(
            self._http.request,
            request.method,
            self._base_url + request.path,
            params=request.params,
            data=request.body,
            headers=headers,
            auth=_Bearer(token),
            timeout=self._timeout,
            allow_redirects=False,
        )
        with self._limits.request(sending=not request.repeatable):
            self.requests_sent += 1
            started = self._clock()
            try:
                response = self._thread.do(send)
            except Abandoned:
                if not request.repeatable:
                    raise OutcomeUnknown(
                        f"The answer to {request} had not come when the run was asked to stop; the "
                        "next run finds out what became of it."
                    ) from None
                self._stop.check()
                raise
            except _NO_ADDRESS:
                raise ConfigurationError(
                    f"The option api.base_url is no address of an API ({self._base_url}): one "
                    "begins with https:// and a host."
                ) from None
            except requests.RequestException as error:
                raise _network_failure(request, error) from None
        seconds = round((self._clock() - started).total_seconds(), 3)
        self.clock_difference = _ahead(response, self._clock())
        _log.debug("request", request=str(request), status=response.status_code, seconds=seconds)
        return response

    def _judge(self, request: _Request, response: requests.Response) -> Json:
        status = response.status_code
        if 200 <= status < 300:
            return _content(request, response)
        refusal = read_refusal(response)
        if status == 429:
            raise self._too_many(request, refusal.error_key, response)
        if status >= 500:
            pause = _retry_after(response, self._clock)
            raise _passing(request, f"{request} was answered with {refusal}", pause)
        if status == 401:
            raise AuthorizationNeeded(
                f"Constant Contact refused a fresh access token for {request} ({refusal}): the "
                "authorization was withdrawn; run contact-sync authorize."
            )
        if 300 <= status < 400:
            raise ContractBroken(
                f"Constant Contact redirects {request} elsewhere (HTTP {status}), which its "
                "contract doesn't know; check api.base_url and a proxy on the way."
            )
        raise explain(refusal, str(request))

    def _too_many(
        self, request: _Request, error_key: str, response: requests.Response
    ) -> _Again | ContactSyncError:
        # A 429 was refused before any work, so repeating is safe for every request. The three
        # kinds are told apart by their key alone: only quota_exceeded can't pass today.
        if error_key == "quota_exceeded":
            self._limits.exhaust(self._clock() - response.elapsed)
            return self._limits.exhausted(self._clock())
        busy = Busy(
            f"Constant Contact still says too many requests for {request} after {self._attempts} "
            "tries; the next run goes on where this one stopped."
        )
        return _Again(busy, pause=_retry_after(response, self._clock))

    def _path_of(self, href: str) -> str:
        # The link is a path with the API's version in it; the base address has the version too.
        base = urlsplit(self._base_url)
        link = urlsplit(href)
        if link.netloc and link.netloc != base.netloc:
            raise ContractBroken(
                f"Constant Contact's next page lies on another host ({link.netloc}); it was not "
                "asked, since it would be sent the access token."
            )
        path = link.path.removeprefix(base.path)
        if not path.startswith("/"):
            raise ContractBroken("Constant Contact's link to the next page is none.")
        return f"{path}?{link.query}" if link.query else path


def _content(request: _Request, response: requests.Response) -> Json:
    if response.status_code == _NO_CONTENT:
        return None
    try:
        return response.json()
    except requests.JSONDecodeError:
        broken = f"{request} was answered with something that is not JSON"
        if not request.repeatable:
            raise OutcomeUnknown(f"Constant Contact is unclear: {broken}.") from None
        error = ContractBroken(f"{broken}; check api.base_url and a proxy on the way.")
        raise _Again(error) from None


def _network_failure(
    request: _Request, error: requests.RequestException
) -> _Again | ContactSyncError:
    reason = type(error).__name__
    if surely_not_sent(error):
        return _Again(
            ServiceUnavailable(
                f"Constant Contact can't be reached for {request} ({reason}); check the network "
                "and api.base_url, or wait: the next run goes on."
            )
        )
    return _passing(request, f"the answer to {request} was lost ({reason})")


def _passing(
    request: _Request, what: str, pause: timedelta | None = None
) -> _Again | ContactSyncError:
    if not request.repeatable:
        return OutcomeUnknown(f"Constant Contact is not well: {what}.")
    return _Again(
        ServiceUnavailable(
            f"Constant Contact is not well: {what}, time and again; the next run goes on."
        ),
        pause,
    )


def _pause(state: tenacity.RetryCallState) -> float:
    failed = state.outcome.exception() if state.outcome else None
    if isinstance(failed, _Again) and failed.pause is not None:
        return failed.pause.total_seconds()
    longest = _LONGEST_PAUSE.total_seconds()
    return tenacity.wait_exponential_jitter(initial=1, max=longest, jitter=1)(state)


def _retry_after(response: requests.Response, clock: Clock) -> timedelta | None:
    """RFC 9110, section 10.2.3; Constant Contact is not known to send it, but may."""
    value = response.headers.get("Retry-After", "")
    try:
        if value.isdecimal():
            pause = timedelta(seconds=int(value))
        else:
            pause = email.utils.parsedate_to_datetime(value) - clock()
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(pause, _SHORTEST_PAUSE), _LONGEST_PAUSE)


def _ahead(response: requests.Response, now: datetime) -> timedelta | None:
    """How far `now` is ahead of the answer's Date (RFC 9110, section 6.6.1)."""
    try:
        return now - email.utils.parsedate_to_datetime(response.headers.get("Date", ""))
    except (TypeError, ValueError):
        return None


def _next_href(page: Json) -> str | None:
    """`_links.next.href`; the contract nests it once more for tags, so both depths are read."""
    link = page.get("_links") if isinstance(page, dict) else None
    for _ in range(3):
        link = link.get("next") if isinstance(link, dict) else None
        if isinstance(link, dict) and isinstance(link.get("href"), str):
            return str(link["href"])
    return None
