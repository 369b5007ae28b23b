"""Where an officer is reached, and whether he is on duty: what an SOS asks first."""

from __future__ import annotations

from uuid import UUID

from uuid_utils.compat import uuid7

from patrol.duty import change_live
from patrol.errors import VariableInvalid
from patrol.fixes import Position
from patrol.reachability import want_test_of_session
from storage.database import Connection
from storage.devices import KEEP_ADDRESS, LOCK_ADDRESS, TAKE_ADDRESS_OVER
from storage.reachability import FORGET_TEST
from storage.vocabulary import PushAddressKind

LONGEST_ADDRESS = 4096
"""Characters. Firebase names no limit; tokens have about 160 today."""


async def set_push_address(
    connection: Connection, session_id: UUID, kind: PushAddressKind, address: str
) -> None:
    """Pushes for the session's officer go to this address from now on, and to nobody else's session.

    On a shared phone the address is the same for every officer, so the one who reported it last has the phone in hand.

    Raises:
        VariableInvalid: no push service gives such an address.
    """
    if (
        not 0 < len(address) <= LONGEST_ADDRESS
        or not address.isascii()
        or not address.isprintable()
    ):
        raise VariableInvalid("A push address is printable ASCII.", path="address")
    await connection.execute(LOCK_ADDRESS, address)
    await connection.execute(TAKE_ADDRESS_OVER, address, session_id)
    await connection.execute(FORGET_TEST, session_id, kind.value, address)
    await connection.execute(KEEP_ADDRESS, uuid7(), session_id, kind.value, address)
    await want_test_of_session(connection, session_id)


async def go_on_duty(
    connection: Connection,
    officer_id: UUID,
    *,
    device_id: UUID | None = None,
    position: Position | None = None,
) -> UUID | None:
    """An SOS rings for this officer among the first. Saying it again keeps the time at which it began.

    Returns:
        The scope to poke; None where he was on duty already.
    """
    at = await connection.fetchval("select clock_timestamp()")
    return await change_live(
        connection, officer_id, True, at, device_id=device_id, position=position
    )


async def go_off_duty(
    connection: Connection, officer_id: UUID, *, device_id: UUID | None = None
) -> UUID | None:
    """The officer is called only when those on duty do not answer.

    Returns:
        The scope to poke; None where he was off duty already.
    """
    at = await connection.fetchval("select clock_timestamp()")
    return await change_live(connection, officer_id, False, at, device_id=device_id)
