"""Notices by itself that the database's history went back: after a restore, a failover, or a copy put in its place.

Each minute the server writes down what it is (a mark), and lets the object store remember the newest one. A database that
was restored is told by what does not fit: it runs in another cluster, on another timeline, as another database, its tables
were made anew, its counter or log is behind its own mark, or the store remembers a mark that it does not. Then a new epoch
begins, once, however many processes look at the same time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from patrol.errors import DatabaseIsStandby
from patrol.sync.epoch import REASONS, begin_epoch, begin_epoch_after
from patrol.sync.witness import Witness, ask_witness, tell_witness
from storage import faults
from storage.buckets import ObjectStore
from storage.database import Connection, Database
from storage.history import (
    COUNT_EPOCHS,
    EPOCH_LOCK,
    FLUSH_AT_COMMIT,
    LOCK_HISTORY,
    MAKE_MARK,
    READ_HISTORY,
    READ_MARK,
    READ_SEEN,
    READ_SERVER_KIND,
    READ_SYSTEM,
    STAMPS_AHEAD,
    WAS_EVIDENCE,
    EpochCause,
)
from storage.job_turns import Every
from storage.principal import Role, system

log = structlog.get_logger(__name__)

WATCH: Final = "history.watch"
"""The job that looks at the history."""

SCHEDULES: Final = (Every(WATCH, timedelta(minutes=1)),)

WITNESS_EPOCHS: Final = 3
"""Epochs that the witness may begin within an hour: two servers with one store would end each other's for ever."""


class HistoryMoved(Exception):
    """The tables were made anew since the server was last looked at: nothing may be answered before a new epoch."""


@dataclass(frozen=True, slots=True)
class Server:
    """What a primary is now, beside its newest mark.

    Attributes:
        system_identifier: the cluster's own name; None where the login may not ask for it.
        now: the row of `READ_HISTORY`.
        mark: the row of `READ_MARK`; None before the first one.
    """

    system_identifier: str | None
    now: Mapping[str, Any]
    mark: Mapping[str, Any] | None


async def notice(
    database: Database, store: ObjectStore | None, *, stamps: bool = False
) -> int | None:
    """Looks at the history, begins a new epoch if it went back, and leaves a new mark here and in the store.

    Args:
        store: the witness is kept there; None looks at the database alone.
        stamps: also reads every stamp, which takes as long as reading the tables.

    Returns:
        The number of the new epoch, or None if all is well.

    Raises:
        StorageFault: the database cannot be reached, or is a standby.
    """
    # Before the database: a mark that the store has was committed, so the database must have it at any later time.
    witness = None if store is None else await ask_witness(store)
    async with database.write(system("history"), Role.SYSTEM) as connection:
        await connection.execute(LOCK_HISTORY, EPOCH_LOCK)
        server = await look(connection)
        shown = await evidence(connection, server, witness, stamps=stamps)
        number = None
        if shown:
            cause = next(iter(shown))
            number = await begin_epoch(
                connection,
                REASONS[cause],
                cause=cause,
                evidence={one.value: what for one, what in shown.items()},
                above=0 if witness is None else witness.number,
            )
        mark = await _mark(connection, await look(connection) if number else server, witness)
    if store is not None:
        await tell_witness(store, mark)
    return number


async def look(connection: Connection) -> Server:
    """What the server is now.

    Raises:
        faults.DatabaseIsStandby: it only follows another one.
    """
    kind = await connection.fetchrow(READ_SERVER_KIND)
    if kind["standby"]:
        raise faults.DatabaseIsStandby
    identifier = await connection.fetchval(READ_SYSTEM) if kind["tells_system"] else None
    now = await connection.fetchrow(READ_HISTORY)
    return Server(identifier, now, await connection.fetchrow(READ_MARK, now["xid"], now["lsn"]))


async def evidence(
    connection: Connection, server: Server, witness: Witness | None, *, stamps: bool = False
) -> dict[EpochCause, Any]:
    """What shows that the history went back, the strongest first; empty when nothing does.

    Stamps are read where asked for, and where there is no mark yet: after an upgrade from a release without marks, or a
    restored dump of one.
    """
    now, mark = server.now, server.mark
    shown: dict[EpochCause, Any] = {}
    if stamps or mark is None:
        rows = await connection.fetch(STAMPS_AHEAD)
        if rows:
            shown[EpochCause.STAMPS] = {row["name"]: row["ahead"] for row in rows}
    if mark is not None:
        for cause, here, before in (
            (EpochCause.SYSTEM, server.system_identifier, mark["system_identifier"]),
            (EpochCause.DATABASE, now["database_oid"], mark["database_oid"]),
            (EpochCause.TABLE, now["table_oid"], mark["table_oid"]),
            (EpochCause.TIMELINE, now["timeline"], mark["timeline"]),
        ):
            if here != before and None not in (here, before):
                shown[cause] = {"was": before, "is": here}
        if mark["counter_ahead"]:
            shown[EpochCause.COUNTER] = {"was": mark["xid"], "is": now["xid"]}
        if mark["log_ahead"] and EpochCause.SYSTEM not in shown:
            shown[EpochCause.LOG] = {"was": mark["lsn"], "is": now["lsn"]}
    if witness is not None and await _disowned(connection, server, witness):
        begun = await connection.fetchval(COUNT_EPOCHS, EpochCause.WITNESS.value)
        if begun < WITNESS_EPOCHS or shown:
            shown[EpochCause.WITNESS] = witness.as_json()
        else:
            log.error("two_servers_share_one_store", witness=witness.as_json())
    return shown


async def _disowned(connection: Connection, server: Server, witness: Witness) -> bool:
    """Whether the store remembers a mark that is no part of this database's history."""
    if server.mark is None:
        return True
    if witness.serial < server.mark["oldest"]:
        return False  # older than all marks that are kept, because the store was away for so long
    if witness.at <= server.now["epoch_began"]:
        return False  # every phone was told of whatever happened since
    if await connection.fetchval(READ_SEEN, witness.serial) == witness.token:
        return False
    # Once is enough, also when the store could not be told of the epoch that followed.
    return not await connection.fetchval(WAS_EVIDENCE, str(witness.token))


async def _mark(connection: Connection, server: Server, witness: Witness | None) -> Witness:
    now = server.now
    # Above what the store remembers, so that a restored database never makes a mark that it seems to know already.
    serial = max(
        0 if server.mark is None else server.mark["serial"],
        0 if witness is None else witness.serial,
    )
    made = Witness(
        serial + 1, uuid7(), now["epoch_id"], now["number"], int(now["xid"]), now["lsn"], now["now"]
    )
    await connection.execute(
        MAKE_MARK,
        made.serial,
        made.token,
        made.epoch,
        server.system_identifier,
        now["timeline"],
        now["database_oid"],
        now["table_oid"],
        now["xid"],
        now["lsn"],
    )
    return made


async def heed_restore(database: Database, store: ObjectStore | None) -> None:
    """Looks at once, because an answer found the tables made anew."""
    await notice(database, store)


async def heed_cursor(database: Database, epoch: UUID) -> None:
    """A cursor of ours, of the current epoch, that is ahead of us proves that the history went back for everybody.

    It cannot be ahead for another reason: `settle` gave it away only when its snapshot would survive a crash.
    """
    await begin_epoch_after(database, epoch, EpochCause.CURSOR, evidence={})


async def settle(connection: Connection, state: Mapping[str, Any]) -> None:
    """Lets a pull go on once its snapshot can be trusted.

    A snapshot counts a transaction as ended as soon as it is, also one that was rolled back or committed without
    waiting for the disk. If the server crashes before that reaches the disk, it gives the same transaction id to
    another one, and a cursor with that snapshot would never see its rows. So where the log is not on disk yet, this
    transaction's commit, which comes before the answer, puts it there.

    Args:
        state: the row of `READ_PULL_STATE`, read in this transaction.

    Raises:
        DatabaseIsStandby: a standby answers, whose snapshots omit running transactions.
        HistoryMoved: the tables were made anew, and no new epoch has begun yet.
    """
    if state["standby"]:
        raise DatabaseIsStandby
    if state["torn"]:
        raise HistoryMoved
    if not state["flushed"]:
        await connection.execute(FLUSH_AT_COMMIT)
