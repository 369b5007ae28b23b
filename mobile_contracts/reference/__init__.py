"""A reference phone: what an app has to do to keep the promise of `protocol.md`, without the screen.

    key         the key pair that makes this phone this phone
    line        the way to the server: an answer, a refusal, or nothing heard
    store       SQLite: everything that a phone keeps, and the one transaction around each step
    session     signing in, staying signed in
    outbox      what was recorded, lane by lane, until it is answered and durable
    copy        what was pulled, page by page
    parts       digests of the copy, and which parts of it differ
    view        what the screens show: the copy, and above it what is not in it yet
    account     one officer on this phone: session, outbox, copy, and how they are synced
    phone       the device with its officers
    upload      sends the bytes of attached files, in parts where they are large
    farewell    what a revoked phone hands in, and how a lost one erases itself
    checkpoint  verifies the codes of checkpoints without signal

It needs SQLite, httpx and cryptography, and nothing of the server's code. It is read beside `protocol.md`, run by the
demonstration and by the tests, and is no library: an app is written in its own language.
"""

from mobile_contracts.reference.account import Account
from mobile_contracts.reference.copy import SUBJECTS, Copy, Row
from mobile_contracts.reference.key import DeviceKey
from mobile_contracts.reference.line import (
    Away,
    HttpLine,
    Line,
    LostAnswer,
    Refused,
    data_of,
    document_id,
)
from mobile_contracts.reference.outbox import LANES, Mutation, Outbox
from mobile_contracts.reference.phone import Phone
from mobile_contracts.reference.store import Store
from mobile_contracts.reference.upload import Uploader

__all__ = [
    "LANES",
    "SUBJECTS",
    "Account",
    "Away",
    "Copy",
    "DeviceKey",
    "HttpLine",
    "Line",
    "LostAnswer",
    "Mutation",
    "Outbox",
    "Phone",
    "Refused",
    "Row",
    "Store",
    "Uploader",
    "data_of",
    "document_id",
]
