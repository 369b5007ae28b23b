"""A phone can show what it was promised: a short signed text that says up to which number its records are stored."""

from __future__ import annotations

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from patrol.errors import ReceiptInvalid
from patrol.keys import KeySet
from storage.database import Connection
from storage.history import READ_RECEIPT_LANE
from storage.vocabulary import Lane

PURPOSE: Final = "receipt"
_MARK: Final = "R1"
_BODY: Final = struct.Struct(">16s16s16sBQQ")
_LANES: Final = (Lane.SOS, Lane.RECORDS, Lane.TRACKS)
"""By the number that stands in a receipt: a new lane goes to the end."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Everything in a lane up to `sequence` was stored at `at`. `epoch` is the history in which it was said."""

    device: UUID
    officer: UUID
    lane: Lane
    sequence: int
    at: datetime
    epoch: UUID


@dataclass(frozen=True, slots=True)
class Judged:
    """A receipt that is ours, beside what is stored now.

    Attributes:
        receipt: what it says.
        retired: its key is believed no more, so that somebody who stole it could have signed too.
        badge: whose it is; None where this database does not know the officer.
        epoch: the number of its epoch; None where this database does not know it.
        stored: up to which number the lane is stored now; None where there is no such lane.
    """

    receipt: Receipt
    retired: bool
    badge: str | None
    epoch: int | None
    stored: int | None


def sign(receipt: Receipt, keys: KeySet) -> str:
    """The text of a receipt: about 125 letters, digits, `-`, `_` and dots, so that it fits a small QR code."""
    key = keys.current
    body = _BODY.pack(
        receipt.device.bytes,
        receipt.officer.bytes,
        receipt.epoch.bytes,
        _LANES.index(receipt.lane),
        receipt.sequence,
        int(receipt.at.timestamp() * 1000),
    )
    mac = key.mac(PURPOSE, body)
    return f"{_MARK}.{key.kid}.{_text(body)}.{_text(mac)}"


def read(text: str, keys: KeySet, *, retired_too: bool = False) -> Receipt:
    """What a receipt says.

    Raises:
        ReceiptInvalid: it was not made by this installation, or was changed.
    """
    try:
        mark, kid, body, mac = "".join(text.split()).split(".")
        raw = _bytes(body)
        key = keys.get(kid, retired_too=retired_too)
        if (
            mark != _MARK
            or key is None
            or not hmac.compare_digest(key.mac(PURPOSE, raw), _bytes(mac))
        ):
            raise ReceiptInvalid
        device, officer, epoch, lane, sequence, at = _BODY.unpack(raw)
        return Receipt(
            UUID(bytes=device),
            UUID(bytes=officer),
            _LANES[lane],
            sequence,
            datetime.fromtimestamp(at / 1000, UTC),
            UUID(bytes=epoch),
        )
    except (ValueError, NotBase64, struct.error, IndexError, OverflowError) as error:
        raise ReceiptInvalid from error


async def judge(connection: Connection, text: str, keys: KeySet) -> Judged:
    """What a receipt says, and what is stored of it now.

    Raises:
        ReceiptInvalid: it was not made by this installation, or was changed.
    """
    receipt = read(text, keys, retired_too=True)
    kid = "".join(text.split()).split(".")[1]
    row = await connection.fetchrow(
        READ_RECEIPT_LANE, receipt.device, receipt.officer, receipt.lane.value, receipt.epoch
    )
    return Judged(
        receipt,
        retired=keys.get(kid) is None,
        badge=row and row["badge"],
        epoch=row and row["epoch"],
        stored=row and row["applied_sequence"],
    )


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
