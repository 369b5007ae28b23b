"""`python -m bench`: the figures of the product beside the floor and a stock server."""

from __future__ import annotations

import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
import uvloop

from bench import report, sampling, sos, thumbnails
from bench.growth import grow
from bench.machine import Cores, machine, pin, prepare
from bench.measure import Pace
from bench.run import Size, Wanted, compared

FULL = Pace(rounds=5, seconds=1.2, warm_up=0.4)
SIZES = (10_000, 1_000_000)
SIZES_QUICK = (1_000, 10_000)
QUICK = Pace(rounds=2, seconds=0.3, warm_up=0.1)


def main(
    what: Annotated[
        str,
        typer.Argument(
            help="`sos` measures calls for help alone, `thumbnails` small pictures; nothing, the rest."
        ),
    ] = "",
    only: Annotated[str, typer.Option(help="Questions by key: zones,page,one,pull,push.")] = "",
    servers: Annotated[str, typer.Option(help="Servers by name.")] = "floor,product,stock",
    quick: Annotated[
        bool, typer.Option(help="A short run that shows only that all works.")
    ] = False,
    rounds: Annotated[int | None, typer.Option(help="Rounds of each question.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Seconds of each round.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
    growth: Annotated[
        bool | None,
        typer.Option(help="Only, or not at all, how answers take with the number of incidents."),
    ] = None,
    samples: Annotated[Path | None, typer.Option(help="Write where CPU time goes here.")] = None,
) -> None:
    """Measures."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the scratch server is ended
    usual = QUICK if quick else FULL
    pace = Pace(rounds or usual.rounds, seconds or usual.seconds, usual.warm_up)
    wanted = Wanted([one for one in only.split(",") if one], servers.split(","), samples)
    if what == "sos":
        _measure_calls(8 if quick else 100, json)
        return
    if what == "thumbnails":
        _measure_thumbnails(3 if quick else 15, json)
        return
    cores = Cores.choose()
    pin(cores.rest)
    told: dict[str, Any] = {}
    with machine() as scratch:
        uvloop.run(prepare(scratch))
        if growth is not True:
            measured = uvloop.run(compared(scratch, cores, Size(), wanted, pace))
            report.show(report.table(measured))
            told |= report.as_json(measured)
            for path in sorted(samples.glob("*.json")) if samples else ():
                report.show(report.samples_table(path.stem, sampling.read(path)))
        if growth is not False:
            grid = uvloop.run(grow(scratch, SIZES_QUICK if quick else SIZES, report.show))
            report.show(report.growth_table(grid))
            told["growth"] = report.growth_json(grid)
    if json is not None:
        json.write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2))


def _measure_thumbnails(rounds: int, json: Path | None) -> None:
    measured = thumbnails.measure(rounds)
    typer.echo(thumbnails.told(measured))
    if json is not None:
        figures = [asdict(one) | {"ratio": one.ratio} for one in measured]
        json.write_bytes(orjson.dumps({"thumbnails": figures}, option=orjson.OPT_INDENT_2))


def _measure_calls(calls: int, json: Path | None) -> None:
    with machine() as scratch:
        uvloop.run(prepare(scratch))
        figures = uvloop.run(sos.call_for_help(scratch, calls))
    typer.echo(sos.told(figures))
    if json is not None:
        json.write_bytes(orjson.dumps({"sos": figures.as_json()}, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    app()
