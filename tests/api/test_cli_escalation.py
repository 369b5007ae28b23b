"""docs/escalation.md says what happens: its commands and its policy are run as they are written; and administrators' programs do the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from api.cli.exits import Exit
from patrol.sos.policy import BUILT_IN, ROUNDS, TIMES
from schema.admin import admin_door
from storage.database import Database
from storage.vocabulary import NeighbourCall, StepTarget
from tests.api.cli_support import CommandLine, on_database
from tests.personas import as_admin
from tests.phone import ask, context
from tests.world import World

GUIDE = (Path(__file__).parents[2] / "docs" / "escalation.md").read_text(encoding="utf-8")
[COMMANDS] = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
[DOCUMENT] = re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)

IN_FORCE = """query($station: UUID!, $version: Int) {
  escalationPolicy(id: $station, version: $version) {
    version answerWithin wholeRounds steps { target after stations withinKm who } } }"""
HISTORY = """query($station: UUID!) {
  escalationPolicies(stationId: $station) { totalCount nodes { version content setBy reason } } }"""
SET = """mutation($station: UUID!, $policy: EscalationPolicyInput!, $base: Int) {
  setEscalationPolicy(id: $station, policy: $policy, reason: "quiet town", baseVersion: $base) {
    policy { version content } refusal { code message } } }"""


@pytest.fixture
def patrol(login_url: str, fresh_database_url: str) -> CommandLine:
    """The command line on this test's own database."""
    return on_database(login_url, fresh_database_url)


async def test_the_commands_of_the_guide_work_as_they_are_written(
    patrol: CommandLine, world: World, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    shown = [line.removeprefix("patrol ").split(" > ") for line in COMMANDS.splitlines()]
    assert [line[0].split()[1] for line in shown] == ["show", "show", "set", "history"]
    assert "ON_DUTY" in await patrol.ok("escalation", "show")
    printed = await patrol.ok("escalation", "show", "--json")
    assert orjson.loads(printed) == orjson.loads(DOCUMENT) == BUILT_IN.document()
    file = tmp_path / shown[1][1]
    file.write_text(printed)
    why = re.search(r'"(.*)"', COMMANDS)
    assert why is not None

    done = await patrol.ok("escalation", "set", str(file), "--reason", why.group(1))

    assert "Version 1" in done
    assert why.group(1) in await patrol.ok("escalation", "history")
    [kept] = orjson.loads(await patrol.ok("escalation", "history", "--json"))
    assert (kept["version"], kept["policy"]) == (1, BUILT_IN.document())
    assert kept["setBy"].startswith("system:cli/")
    assert await owner.fetchval("select content from escalation_policy") is not None


async def test_a_policy_that_is_refused_says_why_and_stores_nothing(
    patrol: CommandLine, world: World, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    file = tmp_path / "policy.json"
    for text, says in (
        ("{", "not JSON"),
        ('{"steps": [{"target": "ON_DUTY", "after": 5}]}', "who calls for help does not wait"),
    ):
        file.write_text(text)
        done = await patrol("escalation", "set", str(file))
        assert done.code == Exit.REFUSED
        assert says in done.err
    file.write_text(DOCUMENT)
    late = await patrol("escalation", "set", str(file), "--base-version", "3")
    assert late.code == Exit.REFUSED
    assert (await patrol("escalation", "show", "--version", "4")).code == Exit.REFUSED
    assert await owner.fetchval("select count(*) from escalation_policy") == 0


def test_the_guide_explains_every_word() -> None:
    for word in (
        *StepTarget,
        *NeighbourCall,
        *TIMES,
        "wholeRounds",
        "after",
        "stations",
        "withinKm",
    ):
        assert f"`{word}`" in GUIDE
    for name, (_, least, most) in {**TIMES, "wholeRounds": ROUNDS}.items():
        assert re.search(rf"\| `{name}` +\| {least}–{most}", GUIDE), name  # the guide's own dash


async def test_an_administrators_program_reads_sets_and_looks_back(
    database: Database, world: World
) -> None:
    door, office = admin_door(), context(database, await as_admin(world))

    async def asked(text: str, **more: Any) -> Any:
        answered = await ask(door, office, text, station=str(world.station), **more)
        assert "errors" not in answered, answered
        [told] = answered["data"].values()
        return told

    built_in = await asked(IN_FORCE)
    assert (built_in["version"], built_in["wholeRounds"], len(built_in["steps"])) == (0, 3, 5)
    assert built_in["steps"][3] == {
        "target": "NEIGHBOURS", "after": 300, "stations": 3, "withinKm": 30, "who": "BOTH",
    }  # fmt: skip
    steps = [
        {"target": "STATION", "after": 0},
        {"target": "NEIGHBOURS", "after": 30, "who": "ON_DUTY"},
    ]
    told = await asked(SET, policy={"steps": steps, "answerWithin": 30}, base=0)
    assert told["refusal"] is None
    assert told["policy"]["version"] == 1
    assert told["policy"]["content"]["answerWithin"] == 30
    assert (await asked(SET, policy={"steps": steps}, base=0))["refusal"][
        "code"
    ] == "ALREADY_EXISTS"
    bad = await asked(SET, policy={"steps": []}, base=None)
    assert bad["refusal"]["code"] == "POLICY_INVALID"
    now = await asked(IN_FORCE)
    assert (now["version"], now["answerWithin"], now["steps"][1]["who"]) == (1, 30, "ON_DUTY")
    assert (await asked(IN_FORCE, version=0))["version"] == 0
    history = await asked(HISTORY)
    assert [(one["version"], one["reason"]) for one in history["nodes"]] == [(1, "quiet town")]
    other = await world.add_station("Tak")
    empty = await ask(door, office, SET, station=str(UUID(str(other))), policy={"steps": steps})
    assert empty["data"]["setEscalationPolicy"]["refusal"]["code"] == "POLICY_INVALID"
