"""The answers that the fake Firebase can be told to give, in the shapes in which Firebase gives them.

Source of the shapes: https://firebase.google.com/docs/cloud-messaging/error-codes and
https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer. `body` None is the usual success; `hold` waits so many seconds (or until
    `FakeFirebase.release`) before it; `cut` closes the connection instead of answering."""

    status: int = 200
    body: dict[str, Any] | str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    hold: float = 0.0
    cut: bool = False


def ok() -> Answer:
    """The message is accepted."""
    return Answer()


def unregistered() -> Answer:
    """The app was removed from the phone, or the address was replaced."""
    return _refused(404, "NOT_FOUND", "Requested entity was not found.", "UNREGISTERED")


def sender_id_mismatch() -> Answer:
    """The address belongs to another Firebase project."""
    return _refused(403, "PERMISSION_DENIED", "SenderId mismatch", "SENDER_ID_MISMATCH")


def quota_exceeded(retry_after: float | str | None = None) -> Answer:
    """Too many messages; `retry_after` is the header as seconds or as an HTTP date."""
    refused = _refused(429, "RESOURCE_EXHAUSTED", "Quota exceeded for sending.", "QUOTA_EXCEEDED")
    return _with_retry_after(refused, retry_after)


def invalid_argument() -> Answer:
    """Something in the message, or the form of the address, is wrong."""
    message = "The registration token is not a valid FCM registration token"
    return _refused(400, "INVALID_ARGUMENT", message, "INVALID_ARGUMENT")


def third_party_auth_error() -> Answer:
    """The APNs key of the project is missing or expired."""
    message = "Auth error from APNS or Web Push Service"
    return _refused(401, "UNAUTHENTICATED", message, "THIRD_PARTY_AUTH_ERROR")


def bare_not_found() -> Answer:
    """A 404 without Firebase's own error code, as a wrong project or a proxy gives it."""
    return Answer(404, "<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>")


def permission_denied() -> Answer:
    """The service account has no right to send, or the API is not enabled."""
    return _refused(403, "PERMISSION_DENIED", "Permission denied on resource project.", None)


def unauthenticated() -> Answer:
    """The access token is missing, unknown or expired."""
    message = "Request had invalid authentication credentials."
    return _refused(401, "UNAUTHENTICATED", message, None)


def internal() -> Answer:
    """Firebase made a mistake."""
    return _refused(500, "INTERNAL", "Internal error encountered.", "INTERNAL")


def bad_gateway() -> Answer:
    """The page that Google's front end gives when what is behind it is away."""
    return Answer(502, "<!DOCTYPE html><title>Error 502 (Server Error)!!1</title>")


def unavailable(retry_after: float | str | None = None) -> Answer:
    """Firebase is overloaded."""
    message = "The service is currently unavailable."
    return _with_retry_after(_refused(503, "UNAVAILABLE", message, "UNAVAILABLE"), retry_after)


def slow(seconds: float, then: Answer | None = None) -> Answer:
    """Another answer (by default success) after so many seconds, or when `FakeFirebase.release` is called."""
    return replace(then or ok(), hold=seconds)


def cut() -> Answer:
    """The connection breaks after the request was read."""
    return Answer(cut=True)


def token_refused() -> Answer:
    """The token service does not accept the service account (only for `will_answer_token`)."""
    return Answer(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})


def _refused(status: int, name: str, message: str, fcm_code: str | None) -> Answer:
    error: dict[str, Any] = {"code": status, "message": message, "status": name}
    if fcm_code is not None:
        error["details"] = [{"@type": FCM_ERROR, "errorCode": fcm_code}]
    return Answer(status, {"error": error})


def _with_retry_after(answer: Answer, retry_after: float | str | None) -> Answer:
    if retry_after is None:
        return answer
    value = retry_after if isinstance(retry_after, str) else f"{retry_after:g}"
    return replace(answer, headers=(*answer.headers, ("Retry-After", value)))
