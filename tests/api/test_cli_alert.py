"""What staff learns by command about calls for help."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import orjson
import pytest
from uuid_utils.compat import uuid7

from api.cli.exits import Exit
from storage.database import Database
from tests.api.cli_support import CommandLine, on_database
from tests.patrol.sos import an_alert, raise_one
from tests.world import World


@pytest.fixture
def patrol(login_url: str, fresh_database_url: str) -> CommandLine:
    """The command line on this test's own database."""
    return on_database(login_url, fresh_database_url)


async def test_alerts_are_listed_and_reported(
    patrol: CommandLine, database: Database, world: World, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    raised = await raise_one(database, an_alert(world))
    alert = str(raised.alert_id)
    [told] = orjson.loads(await patrol.ok("alert", "list", "--json"))
    assert (told["id"], told["status"], told["drill"]) == (alert, "OPEN", False)

    story = orjson.loads(await patrol.ok("alert", "report", alert, "--form", "json", "-o", "-"))
    assert story["alert"]["id"] == alert
    paper = tmp_path / "report.pdf"
    await patrol.ok("alert", "report", alert, "--output", str(paper))
    assert paper.read_bytes().startswith(b"%PDF-")
    entries = await owner.fetch(
        "select principal, subject from audit_entry where act = 'alert.report'"
    )
    assert {entry["subject"] for entry in entries} == {alert}
    assert all(entry["principal"].startswith("system:cli/") for entry in entries)

    await owner.execute("update sos_alert set status = 'CANCELLED', closed_at = now()")
    assert await patrol.ok("alert", "list") == ""
    assert alert in await patrol.ok("alert", "list", "--all")
    assert (await patrol("alert", "report", str(uuid7()))).code == Exit.REFUSED
