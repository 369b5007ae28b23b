"""docs/sos.md says what happens: its commands are run as they are written, and its words, operations and times are ours."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import asyncpg
import orjson

from patrol.sos.policy import BUILT_IN
from patrol.sos.waiting import ALONE
from storage.database import Database
from storage.vocabulary import AlertResolution, AlertStatus, CallFinding
from tests.api.cli_support import environment, on_database
from tests.patrol.sos import an_alert, raise_one
from tests.world import World

CHECKOUT = Path(__file__).parents[2]
GUIDE = (CHECKOUT / "docs" / "sos.md").read_text(encoding="utf-8")
COMMANDS = "".join(re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL))


async def test_the_commands_of_the_guide_work_as_they_are_written(
    login_url: str,
    fresh_database_url: str,
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    tmp_path: Path,
) -> None:
    await owner.execute("update sos_post set code = 'MST-P01' where id = $1", world.post)
    raised = await raise_one(database, an_alert(world))
    patrol = on_database(login_url, fresh_database_url)
    process = await asyncio.create_subprocess_exec(
        *("sh", "-ec", COMMANDS),
        cwd=tmp_path,
        env=environment(**patrol.settings)
        | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        | {"ALERT": str(raised.alert_id)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(120):
        out, err = await process.communicate()

    assert process.returncode == 0, err.decode()
    told = out.decode()
    assert "ON_DUTY" in told
    assert "MST-P01" in told
    drill = await owner.fetchval("select id from sos_alert where drill")
    assert told.count(str(drill)) == 2, "printed by the test press, and listed"
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF-")
    story = orjson.loads((tmp_path / "report.json").read_bytes())
    assert story["alert"]["id"] == str(raised.alert_id)


def test_the_guide_names_what_there_is() -> None:
    named = set(re.findall(r"`([A-Z]+_?[A-Z_]*)`", GUIDE))
    outcomes = {one.value for one in AlertResolution}
    assert outcomes <= named
    assert {one.value for one in CallFinding} - {"JOB_LOST", "CLOCK_WENT_BACK"} <= named
    known = outcomes | {one.value for one in CallFinding} | {"PATROL_HEARTBEAT_URL"}
    assert named <= known
    states = set(re.findall(r"\b(OPEN|ACKNOWLEDGED|CLOSED|CANCELLED)\b", GUIDE))
    assert states == {one.value for one in AlertStatus}


def test_the_operations_of_the_guide_are_in_the_contract() -> None:
    mutations = set(re.findall(r"\| `([a-z][A-Za-z]+)` +\|", GUIDE)) | {"exportAlert"}
    assert len(mutations) == 8
    contract = (CHECKOUT / "mobile_contracts" / "phone.graphql").read_text(encoding="utf-8")
    assert all(re.search(rf"^  {one}\(", contract, re.MULTILINE) for one in mutations)
    files = set(re.findall(r"`([A-Z][a-z]+[A-Za-z]*)`", GUIDE))
    assert files <= {one.stem for one in (CHECKOUT / "mobile_contracts/operations").iterdir()}


def test_the_times_of_the_guide_are_those_of_the_built_in_policy() -> None:
    given = BUILT_IN.document()
    assert (given["answerWithin"], given["onTheWayWithin"]) == (60, 120)
    assert (given["onSceneWithin"], given["againAfter"], given["wholeRounds"]) == (900, 180, 3)
    assert [step["after"] for step in given["steps"]] == [0, 60, 180, 300, 300]
    assert ALONE.total_seconds() == 15
