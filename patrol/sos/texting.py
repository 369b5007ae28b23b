"""Takes calls for help that officers without data send as one text message, signed with the key of their phone.

    SZP1 <148 letters>                                     153 characters of the GSM alphabet, one message

The letters are base64url with `.` for `_`, so that each has the same code in ASCII and in GSM 03.38, of these 111 bytes, all
numbers most significant first:

    0         version 1 in the upper half; bits: 1 drill, 2 silent, 4 a position follows
    1-16      alert, the id that it keeps when it comes over data too
    17-32     session, which names the officer and the phone
    33-36     seconds since 1970 by the phone's clock
    37-44     latitude and longitude, signed, in ten-millionths of a degree
    45-46     accuracy in metres, 65535: not known
    47-110    signature over `patrol sos sms 1` and the bytes before it, by the key of the phone

The signature is whole (Ed25519, or ECDSA over P-256 as r and s): about 128 bits of strength, nothing is cut. The alert's id is
signed, so that a message which is sent again, by whomever, is the same alert and calls nobody anew.
"""

from __future__ import annotations

import re
import struct
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from patrol.clock import read_phone_time
from patrol.errors import TextMessageForged, TextMessageInvalid
from patrol.fixes import Position, position_of
from patrol.identity.phone_key import PhoneKey
from patrol.places import zone_at
from patrol.sos.events import Event, note
from patrol.sos.raising import NewAlert, Raised, raise_alerts
from storage.alerts import JOIN_TEXTED
from storage.database import Connection, Database
from storage.devices import READ_SESSION
from storage.principal import Role, system
from storage.statements import as_json
from storage.vocabulary import AlertEventKind, AlertSource

SIGNED = b"patrol sos sms 1"
VERSION = 1

_HEAD = struct.Struct(">B16s16sIiiH")
_SIGNATURE = 64
_LETTERS = (_HEAD.size + _SIGNATURE) * 4 // 3
_FORM = re.compile(rf"SZP1\s*((?:[A-Za-z0-9._+/-]\s*){{{_LETTERS}}})")
_UNKNOWN = 65535

_GATEWAY = system("sms")


@dataclass(frozen=True, slots=True)
class Texted:
    """What a text message says; nothing of it is true before its signature was looked at."""

    alert_id: UUID
    session_id: UUID
    captured_at: datetime
    position: Position | None
    drill: bool
    silent: bool
    said: bytes
    signature: bytes


def read_text(text: str) -> Texted:
    """Reads a message; what gateways put around it, or break it with, does not matter.

    Raises:
        TextMessageInvalid: there is no call for help in it.
    """
    found = _FORM.search(text)
    if found is None:
        raise TextMessageInvalid
    letters = re.sub(r"\s", "", found[1]).translate(str.maketrans(".+/", "_-_"))
    raw = urlsafe_b64decode(letters)
    said, signature = raw[: _HEAD.size], raw[_HEAD.size :]
    mark, alert, session, seconds, latitude, longitude, accuracy = _HEAD.unpack(said)
    if mark >> 4 != VERSION:
        raise TextMessageInvalid("The message is of a version that is not known here.")
    fields: dict[str, Any] = {}
    if mark & 4:
        fields = {"latitude": latitude / 1e7, "longitude": longitude / 1e7}
        if accuracy != _UNKNOWN:
            fields["accuracy_m"] = float(accuracy)
    return Texted(
        UUID(bytes=alert),
        UUID(bytes=session),
        datetime.fromtimestamp(seconds, UTC),
        position_of(fields),
        bool(mark & 1),
        bool(mark & 2),
        said,
        signature,
    )


async def raise_from_text(database: Database, text: str, now: datetime) -> Raised:
    """Raises the alert of a text message; the same message again changes nothing.

    Raises:
        TextMessageInvalid: there is no call for help in it.
        TextMessageForged: the phone that it names is not known or was revoked, or has not signed it.
    """
    texted = read_text(text)
    async with database.write(_GATEWAY, Role.SYSTEM) as connection:
        session = await connection.fetchrow(READ_SESSION, texted.session_id)
        _require_signed(texted, session)
        [raised] = await raise_alerts(
            connection, [await _alert_of(connection, texted, session, now)]
        )
        return raised


async def join_texted(
    connection: Connection, officer: UUID, alerts: Sequence[NewAlert]
) -> dict[UUID, int]:
    """Joins alerts that came over data with the text messages of the same officer that were here before them.

    What the phone knows better by then stands: its position, if it has one. Gives the versions of those that were joined.
    """
    if not alerts:
        return {}
    rows = [
        {
            "id": one.id,
            "latitude": one.latitude,
            "longitude": one.longitude,
            "accuracy_m": one.accuracy_m,
        }
        for one in alerts
    ]
    joined = await connection.fetch(JOIN_TEXTED, as_json(rows), officer)
    by_id = {one.id: one for one in alerts}
    events = [
        Event(
            row["id"],
            AlertEventKind.JOINED,
            by_id[row["id"]].raised_at,
            by_id[row["id"]].received_at,
            captured_at_raw=by_id[row["id"]].captured_at_raw,
            time_suspect=by_id[row["id"]].time_suspect,
            officer_id=officer,
            device_id=by_id[row["id"]].device_id,
        )
        for row in joined
    ]
    await note(connection, events)
    return {row["id"]: row["rev"] for row in joined}


def _require_signed(texted: Texted, session: Mapping[str, Any] | None) -> None:
    # One answer for all: whoever tries texts learns nothing about sessions from it.
    if session is None or session["revoked"]:
        raise TextMessageForged
    stored = session["public_key"]
    key = PhoneKey.of(orjson.loads(stored) if isinstance(stored, str) else stored)
    message = SIGNED + texted.said
    try:
        if isinstance(key.public, Ed25519PublicKey):
            key.public.verify(texted.signature, message)
        else:
            r, s = (int.from_bytes(texted.signature[at : at + 32], "big") for at in (0, 32))
            key.public.verify(encode_dss_signature(r, s), message, ECDSA(SHA256()))
    except InvalidSignature:
        raise TextMessageForged from None


async def _alert_of(
    connection: Connection, texted: Texted, session: Mapping[str, Any], now: datetime
) -> NewAlert:
    captured = read_phone_time(texted.captured_at, now)
    position = texted.position
    zone = None
    if position is not None:
        zone = await zone_at(
            connection, session["station_id"], position.latitude, position.longitude
        )
    return NewAlert(
        id=texted.alert_id,
        scope_id=zone or session["station_id"],
        station_id=session["station_id"],
        zone_id=zone,
        source=AlertSource.OFFICER,
        officer_id=session["officer_id"],
        device_id=session["device_id"],
        latitude=position.latitude if position else None,
        longitude=position.longitude if position else None,
        accuracy_m=position.accuracy_m if position else None,
        raised_at=captured.at,
        captured_at_raw=captured.raw,
        received_at=now,
        time_suspect=captured.suspect,
        drill=texted.drill,
        silent=texted.silent,
        texted_at=now,
    )
