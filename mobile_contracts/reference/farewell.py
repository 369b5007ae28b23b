"""When the phone was revoked or lost: what it holds is handed in, and a lost one erases itself. See `sign-in.md`."""

from __future__ import annotations

import json
from typing import Any, Final

from mobile_contracts.reference.account import Account
from mobile_contracts.reference.line import Refused
from mobile_contracts.reference.outbox import LANES, Mutation
from mobile_contracts.reference.phone import Phone

AT_ONCE: Final = 200
MOST_BYTES: Final = 1_000_000
"""The server takes 500 and 2 MiB; JSON inside JSON grows by its quotes."""

WIPE: Final = "DEVICE_WIPE"


async def hand_in(account: Account) -> int:
    """Hands in what has no answer, SOS first; how much was taken. It stays in the outbox, and is not handed in again.

    Raises:
        Away: hand in again later; nothing is kept twice.
        Refused: `NOT_ALLOWED` when the session is good, so that it is to be pushed.
    """
    taken = 0
    for lane in LANES:
        left = account.outbox.not_handed_in(lane)
        while left:
            batch = _fitting(left)
            left = left[len(batch) :]
            await _send(account, lane, batch)
            account.outbox.handed_in(batch)
            taken += len(batch)
    return taken


def _fitting(mutations: list[Mutation]) -> list[Mutation]:
    size = 0
    for place, one in enumerate(mutations[:AT_ONCE]):
        size += len(json.dumps(one.as_input()))
        if place and size > MOST_BYTES:
            return mutations[:place]
    return mutations[:AT_ONCE]


async def _send(account: Account, lane: str, batch: list[Mutation]) -> dict[str, Any]:
    session = account.session
    # As text, so that what is signed is what is sent, letter for letter.
    text = json.dumps({"lane": lane, "mutations": [one.as_input() for one in batch]})
    return await account.line.post(
        "/sync/surrender",
        {
            "sessionId": session.id,
            "batch": text,
            "proof": session.key.surrender_proof(session.id, text),
        },
    )


async def wipe(phone: Phone, *, hurried: bool = False) -> None:
    """Hands in for every officer, erases everything, and says so. For a phone that was answered `DEVICE_WIPE`.

    Args:
        hurried: handing in has failed for an hour: erase all the same.

    Raises:
        Away: begin again later.
    """
    if not hurried:
        for account in phone.accounts.values():
            await hand_in(account)
    session = phone.in_hand.session.id
    phone.store.erase(session, phone.key.wiped_proof(session))
    phone.accounts.clear()
    await say_goodbye(phone)


async def say_goodbye(phone: Phone) -> None:
    """Tells the server that everything was erased; after a start as well, until it was heard.

    Raises:
        Away: say it again later.
    """
    for row in phone.store.db.execute("select session_id, proof from goodbye").fetchall():
        await phone.line.post(
            "/sync/wiped", {"sessionId": row["session_id"], "proof": row["proof"]}
        )
        phone.store.db.execute("delete from goodbye")


def was_lost(refused: Refused) -> bool:
    """Whether an answer orders the phone to erase itself."""
    return refused.code == WIPE
