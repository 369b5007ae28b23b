"""The bench of growth must ask what it says, as who it says, and see by which index it was answered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench import growth, report
from bench.growth_questions import QUESTIONS
from bench.machine import Machine, machine, prepare


@pytest.fixture(scope="module")
def scratch() -> Iterator[Machine]:
    with machine() as started:
        yield started


async def test_every_question_is_answered_at_every_size(scratch: Machine) -> None:
    await prepare(scratch)
    told: list[str] = []
    grid = await growth.grow(scratch, (600, 900), told.append, times=2)
    assert list(grid) == [question.title for question in QUESTIONS]
    places = {(600, "few"), (600, "many"), (900, "few"), (900, "many")}
    assert all(set(cells) == places for cells in grid.values())
    assert all(len(cell.seconds) == 2 for cells in grid.values() for cell in cells.values())
    assert grid["lookup"][900, "many"].access == {"Index Scan incident_pkey"}
    assert len(told) == 2
    assert report.growth_table(grid).row_count == len(QUESTIONS)


def test_reading_the_whole_table_is_noticed() -> None:
    """A negative control: a plan with a scan of the growing table, below another node."""
    plan = {
        "Node Type": "Limit",
        "Plans": [{"Node Type": "Seq Scan", "Relation Name": "incident"}, {"Node Type": "Result"}],
    }
    assert not growth.Grown([1.0], frozenset(growth._scans(plan))).by_index
    plan["Plans"] = [
        {"Node Type": "Index Scan", "Relation Name": "incident", "Index Name": "incident_pkey"}
    ]
    assert growth.Grown([1.0], frozenset(growth._scans(plan))).by_index
