"""docs/cameras-and-poles.md says what happens: its examples are run as they are written."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from patrol.errors import by_code
from patrol.identity.post_keys import issue_post_link, issue_post_password
from patrol.keys import KeySet
from storage.buckets import ObjectStore
from storage.database import Database
from storage.principal import system
from storage.vocabulary import PostAction
from tests.api.site import FRAME, Site, opened
from tests.world import World

GUIDE = Path(__file__).parents[2] / "docs" / "cameras-and-poles.md"


@pytest.fixture
async def site(
    login_url: str, database: Database, store: ObjectStore, keys: KeySet, world: World
) -> AsyncIterator[Site]:
    async with opened(login_url, database, store, keys, world) as site:
        yield site


EXAMPLES = re.findall(r"```sh\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the guide's examples need curl")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.split("/ingest/")[1][:12])
async def test_an_example_of_the_guide_works_as_it_is_written(
    site: Site, tmp_path: Path, example: str
) -> None:
    (tmp_path / "frame.jpg").write_bytes(FRAME)
    async with site.services.database.write(system("test")) as connection:
        password = await issue_post_password(connection, site.world.post)
        link = await issue_post_link(connection, site.world.post, PostAction.ALARM)
    curl = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        example,
        cwd=tmp_path,
        env={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "SERVER": f"http://{site.address}",
            "CAMERA": str(site.world.market_camera),
            "POST": str(site.world.post),
            "KEY": site.post_key if "/posts/" in example else site.camera_key,
            "PASSWORD": password.secret,
            "SECRET": link.secret,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await asyncio.wait_for(curl.communicate(), 20)

    assert curl.returncode == 0, errors.decode()
    if "heartbeat" not in example:
        shapes = [set(orjson.loads(shown)) for shown in _shown_answers()]
        assert set(orjson.loads(out)) in shapes


def _shown_answers() -> list[str]:
    return re.findall(r"```json\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_guide_names_only_codes_of_the_catalogue() -> None:
    rows = re.findall(r"^\| (\d{3}) +\| `([A-Z_]+)`", GUIDE.read_text(encoding="utf-8"), re.M)
    assert len(rows) == 12
    for status, name in rows:
        assert by_code(name).http_status == int(status)
