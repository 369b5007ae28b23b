"""The SQL of every trusted operation is committed, so that a change of the planner shows what it does to each of them.

`python -m pytest tests/schema/test_sql.py --write-sql` writes the files anew; `make schema` does so too.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from api.trusted import OPERATIONS
from tests.phone import Phone, ask
from tests.schema.station import NOWHERE
from tests.schema.test_planner import counting

ROOT = Path(__file__).parents[2]
SQL = ROOT / "docs" / "sql"

VARIABLES: dict[str, dict[str, Any]] = {
    "Incident": {"id": NOWHERE},
    "AlertClips": {"id": NOWHERE},
    "AlertTimeline": {"id": NOWHERE},
    "AlertTrail": {"id": NOWHERE},
    "CalledAlert": {"id": NOWHERE},
    "IncidentPage": {"status": ["OPEN"], "since": "2026-01-01T00:00:00Z"},
    "GoOnDuty": {"fix": {"latitude": 16.7131, "longitude": 98.5706}},
    "SetPushAddress": {"address": {"fid": "an installation"}},
    "PostNotice": {
        "notice": {"scopeId": NOWHERE, "title": "Flood", "body": "The lower road is closed."}
    },
    "WithdrawNotice": {"id": NOWHERE},
    "Tracks": {
        "officerId": NOWHERE,
        "since": "2026-01-01T00:00:00Z",
        "until": "2026-01-02T00:00:00Z",
    },
}
"""What an operation is asked with, where it needs anything."""

QUERIES = sorted(path.stem for path in OPERATIONS.glob("*.graphql") if "query " in path.read_text())


def as_page(name: str, statements: list[str]) -> str:
    """Statements as they are sent, each once, in the order in which they are first sent."""
    # The driver numbers its savepoints, one for each run of a push.
    named = (re.sub(r"__asyncpg_savepoint_\w+__;", "a_run", one) for one in statements)
    distinct = list(dict.fromkeys(one.strip() for one in named))
    shown = ";\n\n".join(re.sub(r"[ \t]+\n", "\n", one) for one in distinct)
    return f"-- {name}. Made by `make schema`; change the code, not this file.\n\n{shown};\n"


@pytest.fixture
async def busy(kanya: Phone) -> Phone:
    """A phone whose station has something of everything, so that no list is left out for want of parents."""
    await kanya.pull()
    await kanya.push("RECORDS", kanya.report(zoneId=zone_of(kanya)))
    alert = {"id": str(uuid7()), "latitude": 16.7131, "longitude": 98.5706}
    await kanya.push("SOS", kanya.mutation("SOS", {"raiseAlert": alert}))
    return kanya


def zone_of(phone: Phone) -> str:
    return next(iter(phone.rows["zones"]))


async def sent_by(name: str, phone: Phone) -> list[str]:
    text = (OPERATIONS / f"{name}.graphql").read_text()
    with counting() as sent:
        answer = await ask(phone.door, phone.context, text, **VARIABLES.get(name, {}))
    assert "errors" not in answer, answer
    return list(sent)


@pytest.mark.parametrize("name", QUERIES)
async def test_the_sql_of_a_trusted_query_is_the_committed_one(
    name: str, busy: Phone, request: pytest.FixtureRequest
) -> None:
    if name == "Pull":
        busy.cursor = None
    compare(name, await sent_by(name, busy), request)


async def test_the_sql_of_a_push_is_the_committed_one(
    busy: Phone, request: pytest.FixtureRequest
) -> None:
    """A report, and a change of it in the same batch."""
    report = busy.report(zoneId=zone_of(busy))
    incident = report["change"]["reportIncident"]["id"]
    with counting() as sent:
        answers = await busy.push("RECORDS", report, busy.change(incident, 1, severity="HIGH"))
    assert [one["outcome"] for one in answers] == ["APPLIED", "APPLIED"]
    compare("Push", sent, request)


def compare(name: str, sent: list[str], request: pytest.FixtureRequest) -> None:
    path, page = SQL / f"{name}.sql", as_page(name, sent)
    if request.config.getoption("--write-sql"):
        SQL.mkdir(exist_ok=True)
        path.write_text(page, encoding="utf-8")
    assert page == path.read_text(encoding="utf-8"), (
        f"{path.name} differs; look, then `make schema`"
    )


def test_no_file_is_left_of_an_operation_that_is_gone() -> None:
    assert {path.stem for path in SQL.glob("*.sql")} == {*QUERIES, "Push"}


def test_the_page_on_reads_shows_the_committed_sql() -> None:
    """Each block of SQL that names its operation is the file of that name."""
    text = (ROOT / "docs" / "reads.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sql\n(-- (\w+)\..*?)```", text, re.DOTALL)
    assert len(blocks) == 3
    for block, name in blocks:
        assert block == (SQL / f"{name}.sql").read_text(encoding="utf-8")
