"""The bench must run and its three servers must answer alike, or its figures would compare different things."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import report
from bench.cases import Case, Outbox
from bench.machine import Cores, Machine, machine, prepare
from bench.measure import AnswersDiffer, Bench, Measured, Pace, difference
from bench.run import Size, Wanted, ready

SMALL = Size(zones=3, cameras=2, incidents=1_300)


@pytest.fixture(scope="module")
def scratch() -> Iterator[Machine]:
    with machine() as started:
        yield started


@pytest.fixture(scope="module")
async def bench(scratch: Machine) -> Any:
    await prepare(scratch)
    async with ready(scratch, Cores(None, None), SMALL, Wanted()) as opened:
        yield opened


async def test_the_three_servers_give_the_same_answers(bench: tuple[Bench, list[Case]]) -> None:
    running, cases = bench
    assert [case.key for case in cases] == ["zones", "page", "one", "pull", "push"]
    for case in cases:
        await running.compare(case)


async def test_a_server_that_answers_otherwise_is_noticed(
    bench: tuple[Bench, list[Case]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A negative control."""
    running, cases = bench
    honest = running.ask

    async def shorter(name: str, case: Case) -> bytes:
        body = await honest(name, case)
        return body.replace(b'"LOW"', b'"HIGH"', 1) if name == "stock" else body

    monkeypatch.setattr(running, "ask", shorter)
    with pytest.raises(AnswersDiffer, match=r"page: .* differ at .*severity"):
        await running.compare(cases[1])


async def test_every_question_gets_its_figures(bench: tuple[Bench, list[Case]]) -> None:
    running, cases = bench
    pace = Pace(rounds=2, seconds=0.02, warm_up=0.01)
    measured = [await running.measure(case, pace) for case in (cases[2], cases[4])]
    for one in measured:
        assert all(run.rate > 0 and min(run.cpu_each) >= 0 for run in one.runs.values())
    told = report.as_json(measured)["cases"]
    assert set(told) == {"one", "push"}
    assert told["one"]["productToFloor"] > 0
    assert report.table(measured).row_count == 6


async def test_a_lane_goes_on_where_it_ended(bench: tuple[Bench, list[Case]]) -> None:
    running, _ = bench
    outbox: Outbox = running.outboxes[0]
    first, second = outbox.batch()["mutations"], outbox.batch()["mutations"]
    assert second[0]["sequence"] == first[-1]["sequence"] + 1
    # What was made here and never sent would leave a gap behind it.
    running.outboxes.remove(outbox)


def test_answers_may_differ_in_the_order_of_keys_only() -> None:
    one = {"a": [1, {"b": None}], "c": "x"}
    assert difference(one, {"c": "x", "a": [1, {"b": None}]}) is None
    assert difference(one, {"c": "x", "a": [1, {"b": 0}]}) == "$.a[1].b: None and 0"
    assert difference(one, {"c": "x", "a": [1]}) == "$.a: 2 and 1 entries"
    assert "stand in one only" in str(difference(one, {"a": one["a"]}))


def test_a_ratio_is_the_median_of_the_rounds_own() -> None:
    from bench.load import Load
    from bench.measure import Run

    def run(*rates: int) -> Run:
        return Run([Load(1.0, [0.01] * rate) for rate in rates], [0.5] * len(rates))

    noisy = Measured(
        Case("one", "", "Incident", {}), {"product": run(80, 8, 90), "floor": run(100, 10, 100)}
    )
    assert noisy.rate_ratio("product", "floor") == pytest.approx(0.8)
    assert noisy.rate_ratio("product", "stock") is None


def test_samples_are_counted_by_function(tmp_path: Path) -> None:
    from bench.sampling import read, sampling, shares, start

    path = tmp_path / "samples.json"
    with sampling(str(path)):
        start()
        sum(number * number for number in range(2_000_000))
    own = dict(shares(read(path), own=True))
    assert sum(own.values()) == pytest.approx(1)
    assert any("genexpr" in name for name in own)
