"""Explains the state of sync to an operator: what is well, what is not, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from patrol.sync.epoch import REASONS
from patrol.sync.history import Server, evidence, look, notice
from patrol.sync.witness import Witness, ask_witness
from storage.buckets import ObjectStore
from storage.database import Connection, Database
from storage.history import (
    COUNT_LANES,
    COUNT_LATE_ACTS,
    COUNT_WAITING,
    LIST_GAPS,
    READ_BACKUP,
    READ_OLDEST_HELD,
    STAMPS_AHEAD,
    EpochCause,
)
from storage.principal import Role, system

MARK_OLD: Final = timedelta(minutes=5)
"""A mark is made each minute while a worker runs."""

BACKUP_OLD: Final = timedelta(days=2)
"""Phones must hold everything since the last noted backup."""

COPY_OLD: Final = timedelta(days=7)
"""What is deleted is kept for as long as the oldest copy lacks it."""


class Verdict(StrEnum):
    """How a finding is to be read."""

    GOOD = "good"
    LOOK = "look"
    """A person should look at it."""
    REPAIR = "repair"
    """`--repair` puts it right; a running server does so within a minute."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of what the doctor sees."""

    about: str
    value: str
    verdict: Verdict = Verdict.GOOD
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What the doctor sees, and every hole that a restore left in a lane."""

    findings: list[Finding]
    gaps: list[dict[str, Any]]

    @property
    def verdict(self) -> Verdict:
        """The worst of all findings."""
        found = {one.verdict for one in self.findings}
        return next((one for one in (Verdict.REPAIR, Verdict.LOOK) if one in found), Verdict.GOOD)


async def examine(database: Database, store: ObjectStore | None) -> Report:
    """Looks at everything and changes nothing.

    Args:
        store: None leaves the witness out.

    Raises:
        StorageFault: the database cannot be reached, or is a standby.
    """
    witness = None if store is None else await ask_witness(store)
    async with database.read(Role.SYSTEM, system("doctor")) as entered:
        connection = entered.connection
        server = await look(connection)
        shown = await evidence(connection, server, witness)
        gaps = [dict(row) for row in await connection.fetch(LIST_GAPS)]
        return Report(
            [
                _epoch(server),
                _history(shown),
                _cluster(server),
                await _counter(connection, server),
                _mark(server),
                _witness(server, witness, asked=store is not None, shown=shown),
                await _backup(connection, server),
                *await _lanes(connection, server, gaps),
                await _oldest_copy(connection, server),
                await _people(connection),
                await _log(connection),
            ],
            gaps,
        )


async def repair(database: Database, store: ObjectStore | None) -> int | None:
    """Begins a new epoch if the history went back or stamps are ahead; its number, or None if nothing was wrong."""
    return await notice(database, store, stamps=True)


def _epoch(server: Server) -> Finding:
    now = server.now
    return Finding(
        "epoch",
        f"{now['number']}, since {_time(now['epoch_began'])} ({now['cause']}: {now['reason']})",
    )


def _history(shown: dict[EpochCause, Any]) -> Finding:
    if not shown:
        return Finding("history", "nothing shows that it went back")
    return Finding(
        "history",
        "; ".join(REASONS[cause] for cause in shown),
        Verdict.REPAIR,
        "A new epoch is due. Start the servers, or run this with --repair.",
    )


def _cluster(server: Server) -> Finding:
    name = server.system_identifier or "not told to this login"
    return Finding("server", f"a primary, cluster {name}, timeline {server.now['timeline']}")


async def _counter(connection: Connection, server: Server) -> Finding:
    ahead = {row["name"]: row["ahead"] for row in await connection.fetch(STAMPS_AHEAD)}
    if not ahead:
        return Finding("stamps", f"all below the transaction counter ({server.now['xid']})")
    rows = ", ".join(f"{count} of {table}" for table, count in ahead.items())
    return Finding(
        "stamps",
        f"ahead of the transaction counter ({server.now['xid']}): {rows}",
        Verdict.REPAIR,
        "No phone gets these rows. Run this with --repair: it stamps them anew.",
    )


def _mark(server: Server) -> Finding:
    if server.mark is None:
        return Finding("mark", "none yet", Verdict.LOOK, "Start `patrol serve` and `patrol work`.")
    age = server.now["now"] - server.mark["made_at"]
    told = f"number {server.mark['serial']}, of {_time(server.mark['made_at'])}"
    if age <= MARK_OLD:
        return Finding("mark", told)
    return Finding(
        "mark", f"{told}, {_long(age)} ago", Verdict.LOOK, "No worker runs. Start `patrol work`."
    )


def _witness(
    server: Server, witness: Witness | None, *, asked: bool, shown: dict[EpochCause, Any]
) -> Finding:
    if witness is None:
        why = "the store has none, or does not answer" if asked else "not asked: no store is named"
        return Finding(
            "witness",
            why,
            Verdict.LOOK,
            "Without it a copied data directory that was put back is noticed by phones' cursors only.",
        )
    told = f"mark {witness.serial} of epoch {witness.number}, of {_time(witness.at)}"
    if EpochCause.WITNESS in shown:
        return Finding(
            "witness",
            f"{told}: not part of this database's history",
            Verdict.REPAIR,
            "If this comes again, another installation writes to the same buckets: give each its own prefix.",
        )
    return Finding("witness", told)


async def _backup(connection: Connection, server: Server) -> Finding:
    row = await connection.fetchrow(READ_BACKUP)
    if row is None:
        return Finding(
            "backup",
            "none was noted",
            Verdict.LOOK,
            "Phones hold all that was acknowledged, up to their own bound. Note backups: `patrol backup note`.",
        )
    age = server.now["now"] - row["durable_through"]
    told = f"durable through {_time(row['durable_through'])}, {_long(age)} ago"
    if age <= BACKUP_OLD:
        return Finding("backup", told)
    return Finding("backup", told, Verdict.LOOK, "Look whether the backups still run.")


async def _lanes(
    connection: Connection, server: Server, gaps: list[dict[str, Any]]
) -> list[Finding]:
    row = await connection.fetchrow(COUNT_LANES, server.now["epoch_id"])
    told = f"{row['lanes']}, {row['waiting']} of them not gone on since the epoch began"
    missing = sum(gap["missing"] for gap in gaps)
    findings = [Finding("lanes", told)]
    if row["asked"]:
        findings.append(
            Finding(
                "lanes asked",
                f"{row['asked']} stand at a hole and go on when the phone comes again after a minute",
            )
        )
    if not gaps:
        return [*findings, Finding("holes", "none")]
    return [
        *findings,
        Finding(
            "holes",
            f"{len(gaps)} in lanes, {missing} numbers that nobody has sent",
            Verdict.LOOK if missing else Verdict.GOOD,
            "These were acknowledged and then lost by a restore. Ask the officers what they recorded then."
            if missing
            else "",
        ),
    ]


async def _oldest_copy(connection: Connection, server: Server) -> Finding:
    """Which phone holds back the compaction: what was deleted since its snapshot must be kept for it."""
    row = await connection.fetchrow(READ_OLDEST_HELD)
    if row is None:
        return Finding("oldest cursor", "no phone holds a copy of this epoch")
    age = server.now["now"] - row["seen_at"]
    only = f", of {row['subjects']} only" if row["subjects"] else ""
    told = (
        f"at transaction {row['oldest']}{only}: {row['badge']} on device {row['device_id']} "
        f"({row['platform']} {row['model']}{', revoked' if row['revoked'] else ''}), which last pulled about {_long(age)} ago; "
        f"{row['phones']} copies are waited for, {row['given_up']} were given up; compacted below {row['horizon'] or 'nothing yet'}"
    )
    if age <= COPY_OLD:
        return Finding("oldest cursor", told)
    return Finding(
        "oldest cursor",
        told,
        Verdict.LOOK,
        "Ask the officer. A phone that stays silent is given up by itself and copies anew when it comes back; "
        "for one that is gone: `patrol device lost`.",
    )


async def _people(connection: Connection) -> Finding:
    quarantined = await connection.fetchval(COUNT_WAITING)
    return Finding(
        "quarantine",
        f"{quarantined} refused mutations wait for a person",
        Verdict.LOOK if quarantined else Verdict.GOOD,
        "Decide about each of them: `patrol quarantine list`." if quarantined else "",
    )


async def _log(connection: Connection) -> Finding:
    late = await connection.fetchval(COUNT_LATE_ACTS)
    if not late:
        return Finding("audit log", "sealed")
    return Finding(
        "audit log",
        f"{late} acts stand in no seal for longer than five minutes",
        Verdict.LOOK,
        "A worker seals each second, also after a restore. Start `patrol work`; if one runs, ask `patrol audit verify`.",
    )


def _time(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


def _long(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    days, hours = divmod(minutes // 60, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes % 60} min"
