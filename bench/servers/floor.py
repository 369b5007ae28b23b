"""The floor: the same answers by hand-written SQL and orjson, with the same token check, principal and policies.

It does what each question needs and nothing besides: no GraphQL, no negotiation, no limits, no errors worth reading.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from starlette.types import Receive, Scope, Send

from api.secret import installation_secret
from api.settings import Settings
from api.stores import store_of
from api.trusted import operation_id
from bench.cases import text_of
from bench.servers import sql
from bench.servers.child import main, serve_app
from bench.servers.floor_push import push
from bench.servers.shared import Links, empty_lists, signing_keys
from bench.servers.walk import walked
from patrol.identity import AccessTokens
from patrol.keys import KeySet
from storage.database import ENTER, Connection
from storage.principal import Principal
from storage.sync import READ_PULL_STATE

Row = Any
Answer = Callable[[Principal, dict[str, Any]], Awaitable[Any]]

_HEAD = [(b"content-type", b"application/json; charset=utf-8"), (b"cache-control", b"no-store")]


class Floor:
    """An ASGI application that answers five operations and no other."""

    def __init__(self, pool: asyncpg.Pool, keys: KeySet, link: Links) -> None:
        self.pool, self.keys, self.link = pool, keys, link
        self.tokens = AccessTokens(keys)
        self.empty = empty_lists(text_of("Pull"), but="incidents")
        self.answers: dict[str, Answer] = {
            operation_id(text_of(name)): answer
            for name, answer in (
                ("ZonesWithCameras", self.zones),
                ("IncidentPage", self.page),
                ("Incident", self.one),
                ("Pull", self.pull),
                ("Push", self.push),
            )
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        header = next(value for name, value in scope["headers"] if name == b"authorization")
        principal = self.tokens.verify(header[7:].decode()).principal
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message["more_body"]
        asked = orjson.loads(body)
        data = await self.answers[asked["documentId"]](principal, asked["variables"])
        answer = orjson.dumps({"data": data}, option=orjson.OPT_UTC_Z)
        length = (b"content-length", str(len(answer)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [*_HEAD, length]})
        await send({"type": "http.response.body", "body": answer})

    @asynccontextmanager
    async def enter(
        self, principal: Principal, role: str = "patrol_phone"
    ) -> AsyncIterator[tuple[Connection, list[UUID]]]:
        """A connection that serves the principal, and its scopes."""
        async with self.pool.acquire() as connection:
            row = await connection.fetchrow(ENTER, role, str(principal), principal.credential_id)
            assert row["live"]
            yield connection, row["scopes"]

    async def zones(self, principal: Principal, asked: dict[str, Any]) -> Any:
        async with (
            self.enter(principal) as (connection, scopes),
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            zones = await connection.fetch(sql.ZONES, scopes, asked["zones"])
            cameras = await connection.fetch(
                sql.CAMERAS, [row["zone"] for row in zones], asked["cameras"]
            )
        inside: dict[str, list[Any]] = {row[0]: [] for row in zones}
        for row in cameras:
            picture = None
            if row[6] is not None:
                picture = {
                    "id": row[6], "takenAt": row[7],
                    "url320": self.link("derived", row[8]), "url960": self.link("derived", row[9]),
                }  # fmt: skip
            inside[row[10]].append(
                {"id": row[0], "code": row[1], "name": row[2], "nameTh": row[3], "latitude": row[4],
                 "longitude": row[5], "lastSnapshot": picture}
            )  # fmt: skip
        nodes = [
            {"id": row[0], "code": row[1], "kind": row[2], "name": row[3], "nameTh": row[4],
             "boundary": orjson.Fragment(row[5]), "cameras": inside[row[0]]}
            for row in zones
        ]  # fmt: skip
        return {"zones": {"nodes": nodes}}

    async def page(self, principal: Principal, asked: dict[str, Any]) -> Any:
        first = asked["first"]
        async with self.enter(principal) as (connection, scopes):
            rows = await connection.fetch(sql.INCIDENTS, scopes, first + 1)
        nodes = [
            {"id": row[0], "category": row[1], "severity": row[2], "status": row[3], "title": row[4],
             "latitude": row[5], "longitude": row[6], "occurredAt": row[7], "updatedAt": row[8],
             "zone": {"id": row[9], "name": row[10], "nameTh": row[11]}}
            for row in rows[:first]
        ]  # fmt: skip
        more = len(rows) > first
        cursor = _cursor(rows[first - 1][7], rows[first - 1][0])
        return {
            "incidents": {"nodes": nodes, "pageInfo": {"hasNextPage": more, "endCursor": cursor}}
        }

    async def one(self, principal: Principal, asked: dict[str, Any]) -> Any:
        async with self.enter(principal) as (connection, scopes):
            row = await connection.fetchrow(sql.INCIDENT, UUID(asked["id"]), scopes)
        incident = dict(zip(sql.FULL_FIELDS, row, strict=False))
        incident["zone"] = {"id": row[19], "name": row[20], "nameTh": row[21]}
        incident["reporter"] = {"id": row[22], "rank": row[23], "name": row[24], "nameTh": row[25]}
        return {"incident": incident}

    async def pull(self, principal: Principal, asked: dict[str, Any]) -> Any:
        async with (
            self.enter(principal) as (connection, _),
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            state = await connection.fetchrow(
                READ_PULL_STATE, principal.id, principal.device_id, ""
            )

            async def fetch(
                scope: UUID, until: str, after: tuple[str, str], limit: int
            ) -> list[Row]:
                return list(await connection.fetch(sql.FILL, scope, until, *after, limit))

            assert isinstance(principal.id, UUID)
            rows, cursor = await walked(
                asked["cursor"], state["scopes"], self.keys, principal.id, fetch, asked["first"]
            )
        return {
            "pull": {
                **self.empty,
                "epoch": str(state["epoch"]),
                "durableThrough": state["durable_through"],
                "incidents": [dict(zip(sql.SYNCED_FIELDS, row, strict=False)) for row in rows],
                "serverTime": state["now"],
                "cursor": cursor,
                "complete": False,
                "reset": None,
                "digests": None,
                "repaired": None,
                "scopes": sorted(map(str, state["scopes"])),
            }
        }

    async def push(self, principal: Principal, asked: dict[str, Any]) -> Any:
        return {
            "push": await push(self.enter, self.keys, principal, asked["lane"], asked["mutations"])
        }


def _cursor(at: datetime, key: str) -> str:
    return urlsafe_b64encode(orjson.dumps(["OCCURRED", at, key])).decode().rstrip("=")


async def _keep_session(_: Connection) -> None:
    """As in the product: `ENTER` replaces all that a session keeps."""


async def floor(settings: Settings, ready: Callable[[str], None]) -> None:
    """Serves until it is told to stop."""
    assert settings.database_url is not None
    pool = await asyncpg.create_pool(
        settings.database_url,
        min_size=1,
        max_size=settings.database_pool,
        reset=_keep_session,
        statement_cache_size=500,
        server_settings={"jit": "off"},
    )
    keys = await signing_keys(settings.database_url, installation_secret(settings))
    link = Links(store_of(settings), settings.link_seconds)
    await serve_app(Floor(pool, keys, link), ready)
    await pool.close()


if __name__ == "__main__":
    main(floor)
