"""A server that transcripts are replayed against, and what may happen to it between two of their steps."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from api.trusted import OPERATIONS
from mobile_contracts.reference import Account, DeviceKey, HttpLine, Store, document_id
from mobile_contracts.reference.parts import Parts
from mobile_contracts.reference.session import INSERT
from patrol.errors import Problem
from patrol.identity import issue_enrolment_code, revoke_officer_sessions
from patrol.keys import KeySet
from patrol.sync.compaction import compact
from patrol.sync.cursor import Cursor, Done, sign
from patrol.sync.epoch import begin_epoch
from patrol.sync.lost import lose_device
from schema.context import Context
from schema.door import Door
from storage.database import Database
from storage.faults import DatabaseUnavailable
from storage.history import NOTE_BACKUP
from storage.officers import END_ASSIGNMENTS
from storage.principal import Role, system
from tests.api.site import Site
from tests.mobile_contracts.replay import Names
from tests.personas import as_officer
from tests.phone import ask, context
from tests.world import World, now

GO_BACK = """
alter table incident disable trigger refuse_delete;
delete from incident where id in (select row_id from sync_outcome where sequence > {to});
delete from sync_outcome where sequence > {to};
update sync_lane set applied_sequence = least(applied_sequence, {to});
alter table incident enable trigger refuse_delete;
"""
"""The rows as a restore would leave them; real restores are in test_restore."""


def account(store: Store, choices: Sequence[Sequence[str] | None] = (None,)) -> Account:
    """An officer's account on a phone that never sends anything; by default it pulls all lists by one cursor."""
    with store.transaction() as db:
        db.execute(INSERT, {"officer": "o", "profile": "{}", "session": "", "token": ""})
    apart = tuple(None if one is None else tuple(one) for one in choices)
    line = HttpLine(None)  # type: ignore[arg-type] # nothing is sent
    return Account(store, DeviceKey(), line, "o", choices=apart)


@dataclass
class Installation:
    """A station in a database of its own, with an officer's and a supervisor's phone, and a phone that applies pages."""

    door: Door
    database: Database
    login_url: str
    owner: asyncpg.Connection
    world: World
    keys: KeySet
    patch: pytest.MonkeyPatch
    site: Site | None = None
    people: dict[str, Context] = field(default_factory=dict)
    store: Store = field(default_factory=Store)
    device: DeviceKey = field(default_factory=DeviceKey)
    session: str = ""
    token: str = ""
    others: list[Database] = field(default_factory=list)

    async def begin(self) -> dict[str, Any]:
        """New phones for both, and what the transcript may call the zones."""
        for name, officer in (("officer", self.world.kanya), ("supervisor", self.world.prasert)):
            principal = await as_officer(self.world, officer)
            self.people[name] = context(self.database, principal, self.keys)
        self.app = account(self.store)
        zones = {"here": self.world.market, "there": self.world.temple}
        return {name: str(zone) for name, zone in zones.items()}

    async def end(self) -> None:
        """Closes what was opened."""
        self.store.close()
        for one in self.others:
            await one.close()

    # What is asked

    async def ask(self, who: str, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        """As `Player.ask`."""
        text = (OPERATIONS / f"{operation}.graphql").read_text(encoding="utf-8")
        try:
            return await ask(self.door, self.people[who], text, **variables)
        except Problem as problem:
            # As the transports tell it.
            return {"errors": [{"message": problem.message, "extensions": problem.as_extensions()}]}

    async def post(self, step: dict[str, Any], names: Names) -> dict[str, Any]:
        """As `Player.post`."""
        assert self.site is not None
        headers = dict(step.get("headers", {}))
        if step.get("signedIn"):
            headers["authorization"] = f"Bearer {self.token}"
        if "bodyBase64" in step:
            answer = await self.site.http.post(
                step["path"], content=b64decode(step["bodyBase64"]), headers=headers
            )
        else:
            body = self._body(step["body"], names)
            answer = await self.site.http.post(step["path"], json=body, headers=headers)
        return {
            "status": answer.status_code,
            "body": answer.json() if answer.content else None,
        }

    def _body(self, pattern: dict[str, Any], names: Names) -> dict[str, Any]:
        """A body with its operation named and its proof signed."""
        body: dict[str, Any] = {}
        for name, one in pattern.items():
            match one:
                case {"$operation": str(operation)}:
                    body[name] = document_id(operation)
                case {"$session": _}:
                    body[name] = self.session
                case {"$proof": "surrender"}:
                    body[name] = self.device.surrender_proof(self.session, body["batch"])
                case {"$proof": "wiped"}:
                    body[name] = self.device.wiped_proof(self.session)
                case _:
                    body[name] = names.fill(one)
        return body

    # What a phone makes of it

    def apply(self, page: dict[str, Any], subjects: list[str] | None) -> dict[str, set[str]]:
        """As `Player.apply`."""
        self.app.apply(page, None if subjects is None else tuple(subjects))
        if page["digests"] is not None:
            assert Parts(self.app.copy).differing(page["digests"], subjects) == []
        copy: dict[str, set[str]] = {}
        for subject, _, key, _ in self.app.copy.versions():
            copy.setdefault(subject, set()).add(key)
        return copy

    # What happens to it

    async def happens(self, event: dict[str, Any], names: Names) -> None:
        """As `Player.happens`."""
        [(what, said)] = event.items()
        await getattr(self, f"_{what}")(names.fill(said), names)

    async def _assigned(self, zone: str, _: Names) -> None:
        await self.world.assign(self.world.kanya, UUID(zone))

    async def _unassigned(self, zone: str, _: Names) -> None:
        left = await self.owner.fetch(
            "select scope_id from assignment where officer_id = $1 and scope_id <> $2",
            self.world.kanya, UUID(zone),
        )  # fmt: skip
        await self.world.change(
            END_ASSIGNMENTS, self.world.kanya, [row["scope_id"] for row in left]
        )

    async def _over(self, notice: str, _: Names) -> None:
        await self.world.change(
            "update notice set expires_at = clock_timestamp() where id = $1", UUID(notice)
        )

    async def _silent(self, _: Any, __: Names) -> None:
        await self.owner.execute("update held_snapshot set seen_at = now() - interval '91 days'")
        for _ in range(2):
            await compact(self.database, silent=timedelta(days=90), young=timedelta(0))

    async def _forgotten(self, _: Any, __: Names) -> None:
        await self.owner.execute("delete from sync_set")
        # Another process than the one that has seen them.
        self.others.append(await Database.connect(self.login_url, size=2))
        for name, before in self.people.items():
            self.people[name] = context(self.others[-1], before.principal, self.keys)

    async def _ahead(self, cursor: str, names: Names) -> None:
        epoch = await self.owner.fetchval("select id from sync_epoch order by number desc limit 1")
        done = Done("99999999999:99999999999:", "00", "00")
        names.known[cursor] = sign(
            Cursor(UUID(str(epoch)), done, None), self.keys, holder=self.world.kanya
        )

    async def _back(self, to: int, _: Names) -> None:
        await self.owner.execute(GO_BACK.format(to=to))

    async def _restored(self, to: int, names: Names) -> None:
        await self._back(to, names)
        async with self.database.write(system("test"), Role.SYSTEM) as connection:
            await begin_epoch(connection, "restored")

    async def _backup(self, _: Any, __: Names) -> None:
        # All that was answered before is in it.
        await self.world.change(NOTE_BACKUP, uuid7(), now(), "test")

    async def _busy(self, _: Any, __: Names) -> None:
        """The database goes away while the next request is being stored; with the one after it is there again."""
        real, once = Database.write, [True]

        @asynccontextmanager
        async def write(database: Database, *given: Any, **more: Any) -> AsyncIterator[Any]:
            async with real(database, *given, **more) as connection:
                yield connection
                if once:
                    once.clear()
                    raise DatabaseUnavailable

        self.patch.setattr(Database, "write", write)

    async def _enrolled(self, _: Any, __: Names) -> None:
        assert self.site is not None
        async with self.database.write(system("test")) as connection:
            code = (await issue_enrolment_code(connection, self.world.kanya, "test")).code
        answer = await self.site.http.post(
            "/auth/enrol",
            json={
                "code": code,
                "publicKey": self.device.public_jwk,
                "proof": self.device.enrolment_proof(code),
                "platform": "android",
                "model": "test",
            },
        )
        told = answer.json()
        self.session, self.token = told["sessionId"], told["accessToken"]

    async def _revoked(self, _: Any, __: Names) -> None:
        async with self.database.write(system("test")) as connection:
            await revoke_officer_sessions(connection, self.world.kanya)

    async def _lost(self, _: Any, __: Names) -> None:
        device = await self.owner.fetchval(
            "select device_id from session where id = $1", UUID(self.session)
        )
        async with self.database.write(system("test")) as connection:
            await lose_device(connection, device, reason="left in a taxi")
