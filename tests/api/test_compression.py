"""Both directions of a phone's talk are compressed: on a bad link bytes are what it lacks."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator

import httpx
import orjson
import pytest

from patrol.keys import KeySet
from storage.buckets import ObjectStore
from storage.database import Database
from tests.api.site import Site, opened
from tests.personas import token_of_officer
from tests.phone import PULL
from tests.world import World


@pytest.fixture
async def site(
    login_url: str, database: Database, store: ObjectStore, keys: KeySet, world: World
) -> AsyncIterator[Site]:
    """A server of this test."""
    async with opened(login_url, database, store, keys, world) as site:
        yield site


@pytest.fixture
async def headers(site: Site) -> dict[str, str]:
    """Of a phone that has much to pull."""
    for number in range(30):
        await site.world.add_incident(site.world.market, description=f"Row {number}. " * 20)
    token = await token_of_officer(site.world, site.services.keys, site.world.kanya)
    return {"authorization": f"Bearer {token}", "content-type": "application/json"}


async def ask(site: Site, headers: dict[str, str], **more: str) -> httpx.Response:
    return await site.http.post("/graphql", json={"query": PULL}, headers=headers | more)


async def test_a_long_answer_is_compressed_for_whoever_takes_it(
    site: Site, headers: dict[str, str]
) -> None:
    plain = await ask(site, headers, **{"accept-encoding": "identity"})
    packed = await ask(site, headers, **{"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert "accept-encoding" in packed.headers["vary"].lower()
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 5
    assert len(packed.json()["data"]["pull"]["incidents"]) == 30


async def test_a_short_answer_is_sent_as_it_is(site: Site, headers: dict[str, str]) -> None:
    answer = await site.http.post(
        "/graphql", json={"query": "{ untrusted }"}, headers=headers | {"accept-encoding": "gzip"}
    )
    assert 0 < len(answer.content) < 1024
    assert "content-encoding" not in answer.headers


async def test_a_request_may_be_compressed_and_a_bomb_is_refused(
    site: Site, headers: dict[str, str]
) -> None:
    packed = headers | {"content-encoding": "gzip"}
    body = gzip.compress(orjson.dumps({"query": PULL, "variables": {"first": 1}}))
    answer = await site.http.post("/graphql", content=body, headers=packed)
    assert answer.json()["data"]["pull"]["complete"] is False
    bomb = gzip.compress(b" " * 50_000_000)
    refused = await site.http.post("/graphql", content=bomb, headers=packed)
    assert refused.status_code == 413
    assert refused.json()["errors"][0]["extensions"]["code"] == "BODY_TOO_LARGE"
