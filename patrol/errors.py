"""The one table of everything that can be refused, so that clients, pages and logs use the same codes.

    Problem
    ├── BadRequest (400)      the request cannot be understood
    ├── NotSignedIn (401)     who is asking is not known, or no longer trusted
    ├── NotAllowed (403)      known, but without this right
    ├── NotFound (404)        what was named does not exist for the one who asks
    ├── Conflict (409)        it contradicts what is already stored
    ├── TooLarge (413)        over a limit
    ├── Unsupported (415)     not a kind of content that is taken here
    ├── TooMany (429)         too often
    └── Unavailable (503)     our side is not able to answer now

The docstring of a class is its message, `what_to_do` is the reader's next step, and the code is the class name in
capitals. What a record can be refused with also has `message_th`, because officers read it. `docs/errors.md` and the SDL enum `ErrorCode` are made from this module.
"""

from __future__ import annotations

from collections.abc import Iterator

from patrol.problem import Problem as Problem


class BadRequest(Problem):
    """The request cannot be understood."""

    http_status = 400
    what_to_do = "Correct the request; sending the same again gives the same answer."


class BodyNotJson(BadRequest):
    """The body is not a JSON object."""

    what_to_do = "Send one JSON object as described in the GraphQL-over-HTTP specification."


class QueryMissing(BadRequest):
    """The request names no operation to run."""

    what_to_do = "Send `query` with the operation's text, or `documentId` of a trusted operation."


class OperationUnknown(BadRequest):
    """No trusted operation has this id."""

    what_to_do = "Send the operation's text too, or deploy the server release that knows the app's operations."


class OperationNotTrusted(BadRequest):
    """This door runs only the trusted operations that the app was released with."""

    what_to_do = "Send the `documentId` of an operation in mobile_contracts/operations."


class OperationInvalid(BadRequest):
    """The operation does not fit the contract."""

    what_to_do = (
        "Compare the operation with the SDL in mobile_contracts; the error names the place."
    )


class VariableInvalid(BadRequest):
    """A variable or argument does not fit its type."""

    message_th = "ข้อมูลที่ส่งมาไม่ตรงกับรูปแบบที่กำหนด"
    what_to_do = "Correct the value that the error's path names."


class OperationTooCostly(BadRequest):
    """The operation asks for more than one request may."""

    what_to_do = (
        "Ask for fewer fields, smaller pages or less depth; the error names the limit and the cost."
    )


class PageSizeInvalid(BadRequest):
    """A page must have between one row and the advertised limit."""

    what_to_do = "Choose `first` within the limit that the error names."


class CursorInvalid(BadRequest):
    """The cursor was not issued for this list."""

    what_to_do = "Start again without `after`."


class ReceiptInvalid(BadRequest):
    """The receipt was not made by this installation, or was changed."""

    what_to_do = (
        "Copy the whole text from the phone; a receipt of another installation is checked there."
    )


class ImportRefused(BadRequest):
    """The file has errors, so nothing was imported."""

    what_to_do = "Correct the rows that are listed and import the file again."


class PolicyInvalid(BadRequest):
    """The escalation policy could leave a call for help without help."""

    what_to_do = "Correct what the message names; `patrol escalation show` prints the policy in force as an example."


class ChannelAddressInvalid(BadRequest):
    """The address is none that a fallback channel can be told through."""

    what_to_do = "Write the address as docs/channels.md shows for the service; it is told outside of this machine."


class TextMessageInvalid(BadRequest):
    """The text message holds no call for help."""

    what_to_do = "Send the text as mobile_contracts/sms.md describes it, whole and in one message."


class BodyEncodingInvalid(BadRequest):
    """The body does not decode as its Content-Encoding says."""

    what_to_do = "Send the body as it is, or compressed with gzip."


class MethodNotAllowed(Problem):
    """This address does not take this method."""

    http_status = 405
    what_to_do = "Use the method that the Allow header names."


class NotSignedIn(Problem):
    """The request carries no credential that is known here."""

    http_status = 401
    what_to_do = "Send `Authorization: Bearer …` with a valid credential for this door."


class TokenExpired(NotSignedIn):
    """The access token has expired."""

    what_to_do = "Refresh the session at /auth/refresh and send the request again."


class SessionRevoked(NotSignedIn):
    """The session, device or key was revoked."""

    message_th = "โทรศัพท์หรือบัญชีนี้ถูกยกเลิกสิทธิ์แล้ว"
    what_to_do = "Keep unsent work, and ask a supervisor for a new enrolment code."


class DeviceWipe(SessionRevoked):
    """The phone was reported lost and must erase its copy."""

    message_th = "โทรศัพท์เครื่องนี้ถูกแจ้งหายและต้องลบข้อมูลทั้งหมด"
    what_to_do = (
        "Hand in unsent work at /sync/surrender, then erase all data and say so at /sync/wiped."
    )


class WatchLinkInvalid(NotSignedIn):
    """The link to watch by was not made here, or has expired."""

    what_to_do = "Ask for the clip's `liveUrl` again."


class EnrolmentCodeInvalid(NotSignedIn):
    """The enrolment code is unknown, used or expired."""

    what_to_do = "Ask a supervisor to issue a new code."


class DeviceProofInvalid(NotSignedIn):
    """The proof was not signed with this device's key."""

    what_to_do = "Sign the proof with the key that the device was enrolled with."


class RefreshTokenInvalid(NotSignedIn):
    """The refresh token is not one of ours."""

    what_to_do = "Enrol the device again with a new code."


class RefreshTokenReused(NotSignedIn):
    """A refresh token was used after its successor; the session was closed because it may have been copied."""

    what_to_do = "Enrol the device again with a new code, and report the incident."


class NotAllowed(Problem):
    """This credential does not have the right to do this."""

    message_th = "คุณไม่มีสิทธิ์ทำรายการนี้"
    http_status = 403
    what_to_do = "Ask an administrator for the right, or use the credential of the right role."


class NotGranted(NotAllowed):
    """No sharing agreement grants this zone or subject."""

    what_to_do = (
        "Ask the station to extend the sharing agreement, or ask only for what `agreements` lists."
    )


class TextMessageForged(NotAllowed):
    """No phone that is trusted here has signed this text message."""

    what_to_do = (
        "Call the officer back by voice; an app that was signed out or revoked cannot send texts."
    )


class NotInScope(NotAllowed):
    """The record belongs to a zone that is not assigned to you."""

    message_th = "รายการนี้อยู่ในพื้นที่ที่ไม่ได้มอบหมายให้คุณ"
    what_to_do = "Nothing is lost: the change is kept for your supervisor."


class NotFound(Problem):
    """What was named does not exist, or is not visible to you."""

    message_th = "ไม่พบรายการที่อ้างถึง หรือคุณไม่มีสิทธิ์ดู"
    http_status = 404
    what_to_do = "Check the id; ask an administrator if you expect to see it."


class CameraUnknown(NotFound):
    """No camera of this key has this id."""

    what_to_do = "Use the camera id that was printed with the key."


class PostUnknown(NotFound):
    """No SOS post of this key has this id."""

    what_to_do = "Use the post id that was printed with the key."


class ClipUnknown(NotFound):
    """There is no such clip, or its alert is not yours."""

    what_to_do = "Declare the clip first, and name it by the id of the answer."


class MediaUnknown(NotFound):
    """There is no such file, or another officer attached it."""

    message_th = "ไม่พบไฟล์นี้ หรือเป็นไฟล์ของเจ้าหน้าที่คนอื่น"
    what_to_do = "Push the mutation that attaches the file first; only who attached it sends it."


class SegmentMissing(NotFound):
    """This part of the clip has not arrived, or is not verified yet."""

    what_to_do = "Ask for the playlist again: it says which parts can be played."


class CitizenLinkInvalid(NotFound):
    """The link is not one of ours, or it is over."""

    what_to_do = "Scan the code on the pole again; call 191 if that does not help."


class AddressUnknown(NotFound):
    """There is nothing at this address."""

    what_to_do = "See the list of addresses in the README."


class Conflict(Problem):
    """It contradicts what is already stored."""

    http_status = 409
    what_to_do = "Read the current state and decide again."


class AlreadyExists(Conflict):
    """Another record has this id or code already."""

    message_th = "มีรายการอื่นที่ใช้รหัสนี้อยู่แล้ว"
    what_to_do = "Use the existing record, or choose another code."


class StateNotReachable(Conflict):
    """The record's current state does not allow this step."""

    message_th = "สถานะปัจจุบันของรายการไม่อนุญาตให้ทำขั้นตอนนี้"
    what_to_do = "Pull the current state; the change is kept for your supervisor."


class FieldConflict(Conflict):
    """Somebody else changed the same field since the version this change was based on."""

    message_th = "มีผู้อื่นแก้ไขช่องเดียวกันนี้ไปแล้วหลังจากข้อมูลที่คุณใช้แก้ไข"
    what_to_do = (
        "Nothing is lost: the refused values are kept for your supervisor beside the stored ones."
    )


class OfficerEngaged(Conflict):
    """The officer takes care of another call for help."""

    message_th = "เจ้าหน้าที่คนนี้กำลังดูแลเหตุขอความช่วยเหลืออื่นอยู่"
    what_to_do = (
        "Send somebody who is free, or say `evenIfEngaged` to send this officer all the same."
    )


class LastSigningKey(Conflict):
    """No other key signs now."""

    what_to_do = "Run `patrol keys rotate` first and wait for its overlap."


class SequenceReused(Conflict):
    """This sequence number was already used for other content, as a cloned phone would."""

    message_th = "หมายเลขลำดับนี้เคยใช้กับข้อมูลอื่นแล้ว เหมือนโทรศัพท์ที่ถูกทำสำเนา"
    what_to_do = "Enrol the device again, so that it gets an identity of its own."


class SequenceGap(Conflict):
    """An earlier mutation of this lane has not arrived."""

    what_to_do = "Send the mutations from the expected number on."


class RecordInvalid(BadRequest):
    """The record breaks a rule of the database."""

    message_th = "ข้อมูลในรายการไม่ถูกต้องตามกฎของฐานข้อมูล"
    what_to_do = "Nothing is lost: the record is kept for your supervisor."


class ChangeUnreadable(BadRequest):
    """This release of the server does not know this kind of record, or a value in it."""

    message_th = "ระบบรุ่นนี้ยังไม่รู้จักรายการหรือค่าบางค่าในรายการนี้"
    what_to_do = "Nothing is lost: the record is kept for your supervisor, who replays it once the server is of the app's release."


class RetryLater(Problem):
    """The server could not store this now."""

    http_status = 503
    what_to_do = "Send the same mutation again; it will not be doubled."


class TooLarge(Problem):
    """The request is larger than this door takes."""

    message_th = "รายการมีขนาดใหญ่เกินกว่าที่รับได้"
    http_status = 413
    what_to_do = "Split the request; the error names the limit."


class MediaTooLarge(TooLarge):
    """The file is larger than files of its kind may be."""

    message_th = "ไฟล์มีขนาดใหญ่เกินกว่าที่รับได้"
    what_to_do = (
        "Keep it on the phone and hand it in by other means; `detail` names the limit in bytes."
    )


class BodyTooLarge(TooLarge):
    """The body is larger than this door takes."""

    what_to_do = "Send a smaller body; the error names the limit."


class Unsupported(Problem):
    """This kind of content is not taken here."""

    http_status = 415
    what_to_do = "Send the content type that the error names."


class ContentTypeUnsupported(Unsupported):
    """This content type is not taken here."""

    what_to_do = "Send the content type that the error names."


class NotAcceptable(Problem):
    """None of the answer's media types is acceptable to the client."""

    http_status = 406
    what_to_do = "Accept application/graphql-response+json or application/json."


class ImageUnfit(Unsupported):
    """The bytes are not a picture that can be kept."""

    what_to_do = "Send one complete JPEG within the limits that the error names."


class SegmentUnfit(Unsupported):
    """The bytes are not the part of a clip that was declared."""

    message_th = "ส่วนของวิดีโอที่ส่งมาไม่ตรงกับที่แจ้งไว้"
    what_to_do = "Nothing is lost: the bytes are kept apart. `reason` says what is wrong; declare the number again with whole bytes."


class TooMany(Problem):
    """Too many requests."""

    http_status = 429
    what_to_do = "Wait as long as Retry-After says."


class Unavailable(Problem):
    """The server cannot answer now."""

    http_status = 503
    what_to_do = "Try again; nothing of the request was stored."


class StoreUnavailable(Unavailable):
    """The object store cannot be reached."""

    what_to_do = "Try again; nothing of the request was stored."


class StoreRefused(Unavailable):
    """The object store refused what was asked of it."""

    what_to_do = "Run `patrol check`: it says which right or setting is missing. Repeating gives the same answer."


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached."""

    what_to_do = "Try again; nothing of the request was stored."


class DatabaseIsStandby(Unavailable):
    """The database server is a standby: it takes no writes, and a pull read from it would miss rows."""

    what_to_do = "Try again; until the address of the database leads to the primary, nothing can be answered."


class Internal(Problem):
    """The server made a mistake; it was logged."""

    http_status = 500
    what_to_do = "Try again later; if it stays, tell the administrator the time and the operation."


GROUPS: frozenset[type[Problem]] = frozenset({Conflict, Unsupported, Unavailable})
"""Classes that only order the tree and the generated page, and are never raised themselves."""


def catalogue() -> Iterator[type[Problem]]:
    """Every problem class, parents before children, in the order of this module."""
    waiting = list(Problem.__subclasses__())
    while waiting:
        problem = waiting.pop(0)
        yield problem
        waiting[:0] = problem.__subclasses__()


def by_code(code: str) -> type[Problem]:
    """The class of a stable code.

    Raises:
        KeyError: no problem has this code.
    """
    return _BY_CODE[code]


_BY_CODE: dict[str, type[Problem]] = {problem.code: problem for problem in catalogue()}
