"""What each answer of Firebase means for the address and the queue, because retiring a good address loses an officer.

UNREGISTERED, SENDER_ID_MISMATCH            DEAD     only with Firebase's own error code in the answer
429, 408, 5xx, cut or refused connections   RETRY    after Retry-After where it is given
anything else, a bare 404 included          FAILED   a wrong project or address of ours answers like that too
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import requests
from firebase_admin import exceptions, messaging
from google.auth import exceptions as google_exceptions

from patrol.notify import Outcome


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome with its stable reason; `retry_after` in seconds when Firebase named it."""

    outcome: Outcome
    reason: str
    retry_after: float | None = None


TIMEOUT = Verdict(Outcome.RETRY, "TIMEOUT")
"""No answer within the limit; the phone may still get it."""
NOT_SENT = Verdict(Outcome.RETRY, "NOT_SENT")
"""The time of the whole batch was over before this address had its turn."""
TOKEN_UNREACHABLE = Verdict(Outcome.RETRY, "TOKEN_UNREACHABLE")
"""The service that issues our access token does not answer."""
CREDENTIALS_REFUSED = Verdict(Outcome.FAILED, "CREDENTIALS_REFUSED")
"""Our service account was refused: deleted key, or a clock that is wrong."""
CONNECTION = Verdict(Outcome.RETRY, "CONNECTION")
"""Firebase was not reached, or the connection broke before the answer."""

_RETRIED_STATUS = frozenset({408, 429})


def verdict_of(error: BaseException) -> Verdict:
    """What an exception of the SDK, or of the libraries under it, means."""
    if isinstance(error, messaging.UnregisteredError):
        return Verdict(Outcome.DEAD, "UNREGISTERED")
    if isinstance(error, messaging.SenderIdMismatchError):
        return Verdict(Outcome.DEAD, "SENDER_ID_MISMATCH")

    answers = (_response_of(each) for each in _chain(error))
    # Not by truth: a `requests` answer is false when its status is an error.
    response = next((answer for answer in answers if answer is not None), None)
    if response is not None:
        reason = _reason_of(error, response.status_code)
        if response.status_code in _RETRIED_STATUS or response.status_code >= 500:
            return Verdict(Outcome.RETRY, reason, retry_after(response.headers.get("retry-after")))
        return Verdict(Outcome.FAILED, reason)

    for each in _chain(error):
        if isinstance(each, TimeoutError | httpx.TimeoutException | requests.Timeout):
            return TIMEOUT
        if isinstance(each, google_exceptions.TransportError):
            return TOKEN_UNREACHABLE
        if isinstance(each, google_exceptions.GoogleAuthError):
            return TOKEN_UNREACHABLE if each.retryable else CREDENTIALS_REFUSED
        if isinstance(each, httpx.TransportError | requests.ConnectionError | OSError):
            return CONNECTION
    if isinstance(error, ValueError):
        return Verdict(Outcome.FAILED, "MESSAGE_INVALID")
    return Verdict(Outcome.FAILED, "UNKNOWN")


def retry_after(header: str | None, *, now: datetime | None = None) -> float | None:
    """Seconds that a Retry-After header asks to wait (a number or an HTTP date); None when it says nothing usable."""
    if header is None:
        return None
    header = header.strip()
    if re.fullmatch(r"[0-9]{1,9}", header):
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


def _reason_of(error: BaseException, status: int) -> str:
    if isinstance(error, messaging.QuotaExceededError):
        return "QUOTA_EXCEEDED"
    if isinstance(error, messaging.ThirdPartyAuthError):
        return "THIRD_PARTY_AUTH_ERROR"
    if isinstance(error, exceptions.FirebaseError) and error.code != exceptions.UNKNOWN:
        return str(error.code)
    return f"HTTP_{status}"


def _response_of(error: BaseException) -> httpx.Response | requests.Response | None:
    if isinstance(error, exceptions.FirebaseError) and error.http_response is not None:
        found = error.http_response
        return found if isinstance(found, httpx.Response | requests.Response) else None
    if isinstance(error, httpx.HTTPStatusError):
        return error.response
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and what lies under it: the SDK turns what it did not expect into an UnknownError with a cause."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop(0)
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [getattr(each, "cause", None), each.__cause__, each.__context__]
