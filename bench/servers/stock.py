"""A server of the same questions as the documentation of its libraries shows it: Strawberry's executor over SQLModel.

Resolvers ask by the ORM's session, related rows come by data loaders. Token check, principal and policies are those of
the product; what its rules do beside that (repeats, gaps, merges) is left out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import strawberry
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader

from api.secret import installation_secret
from api.settings import Settings
from api.stores import store_of
from bench.servers.child import main, serve_app
from bench.servers.shared import Links, signing_keys
from bench.servers.stock_types import Mutation, Query
from patrol.identity import AccessTokens
from patrol.keys import KeySet
from schema.scalars import config
from storage import tables
from storage.database import ENTER
from storage.principal import Principal, Role

_ENTER = text(ENTER.replace("$1", ":role").replace("$2", ":principal").replace("$3", ":credential"))


class Context:
    """What the resolvers of one operation share."""

    def __init__(
        self, sessions: Callable[[], AsyncSession], principal: Principal, keys: KeySet, link: Links
    ) -> None:
        self._sessions = sessions
        self.principal, self.keys, self.link = principal, keys, link
        self.zones = DataLoader(load_fn=self._zones)
        self.officers = DataLoader(load_fn=self._officers)
        self.cameras_of = DataLoader(load_fn=self._cameras_of)
        self.pictures = DataLoader(load_fn=self._pictures)

    @asynccontextmanager
    async def session(
        self, role: Role = Role.PHONE
    ) -> AsyncIterator[tuple[AsyncSession, list[Any]]]:
        """A session that serves the principal, and its scopes. Parallel resolvers may not share one."""
        async with self._sessions() as session:
            told = {"role": role.value, "principal": str(self.principal)}
            answer = await session.execute(
                _ENTER, told | {"credential": self.principal.credential_id}
            )
            row = answer.one()
            assert row.live
            yield session, row.scopes

    async def _zones(self, ids: list[Any]) -> list[Any]:
        return await self._by_id(tables.Zone, ids)

    async def _officers(self, ids: list[Any]) -> list[Any]:
        return await self._by_id(tables.Officer, ids)

    async def _by_id(self, table: Any, ids: list[Any]) -> list[Any]:
        async with self.session() as (session, _):
            found = await session.exec(select(table).where(col(table.id).in_(ids)))
            rows = {row.id: row for row in found}
        return [rows.get(one) for one in ids]

    async def _cameras_of(self, zones: list[Any]) -> list[list[Any]]:
        camera = tables.Camera
        statement = (
            select(camera)
            .where(col(camera.zone_id).in_(zones), col(camera.deleted_at).is_(None))
            .order_by(col(camera.name), col(camera.id))
        )
        grouped: dict[Any, list[Any]] = {zone: [] for zone in zones}
        async with self.session() as (session, _):
            for row in await session.exec(statement):
                grouped[row.zone_id].append(row)
        return [grouped[zone] for zone in zones]

    async def _pictures(self, cameras: list[Any]) -> list[Any]:
        state, snapshot = tables.CameraState, tables.Snapshot
        statement = (
            select(state.camera_id, snapshot)
            .join(snapshot, col(snapshot.id) == state.last_snapshot_id)
            .where(col(state.camera_id).in_(cameras))
        )
        async with self.session() as (session, _):
            found: dict[Any, Any] = dict((await session.exec(statement)).all())
        return [found.get(camera) for camera in cameras]


class StockServer(GraphQL[Any, Any]):
    """Strawberry's own ASGI application."""

    sessions: Callable[[], AsyncSession]
    tokens: AccessTokens
    link: Links

    async def get_context(
        self, request: Request | WebSocket, response: Response | WebSocket
    ) -> Any:
        token = request.headers["authorization"].removeprefix("Bearer ")
        principal = self.tokens.verify(token).principal
        return Context(self.sessions, principal, self.tokens.keys, self.link)


async def stock(settings: Settings, ready: Callable[[str], None]) -> None:
    """Serves until it is told to stop."""
    url = settings.database_url
    assert url is not None

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(url, server_settings={"jit": "off"})

    engine = create_async_engine(
        make_url("postgresql+asyncpg://"), async_creator=connect, pool_size=settings.database_pool
    )
    server = StockServer(strawberry.Schema(query=Query, mutation=Mutation, config=config()))
    server.sessions = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
    server.tokens = AccessTokens(await signing_keys(url, installation_secret(settings)))
    server.link = Links(store_of(settings), settings.link_seconds)
    await serve_app(server, ready)
    await engine.dispose()


if __name__ == "__main__":
    main(stock)
