"""Shows what was measured: a table for people, JSON for programs."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.growth import Grid
from bench.measure import ORDER, Measured
from bench.sampling import Stack, shares


def table(measured: Sequence[Measured]) -> Table:
    """The figures of all questions, and the ratios to the floor and to the stock server."""
    shown = Table(title="One server process on one core, 16 connections")
    shown.add_column("")
    shown.add_column("server")
    for heading in ("requests/s", "p50 ms", "p99 ms", "CPU ms/request", "× floor", "× stock"):
        shown.add_column(heading, justify="right")
    shown.add_column("CPU × floor", justify="right")
    shown.add_column("CPU × stock", justify="right")
    for one in measured:
        title = one.case.title
        for name in [name for name in ORDER if name in one.runs]:
            run = one.runs[name]
            ratios = ["", "", "", ""]
            if name == "product":
                ratios = [
                    _times(one.rate_ratio("product", "floor")),
                    _times(one.rate_ratio("product", "stock")),
                    _times(one.cpu_ratio("product", "floor")),
                    _times(one.cpu_ratio("product", "stock")),
                ]
            shown.add_row(
                title,
                name,
                f"{run.rate:,.0f}",
                f"{run.percentile(0.5) * 1000:.2f}",
                f"{run.percentile(0.99) * 1000:.2f}",
                f"{sorted(run.cpu_each)[len(run.cpu_each) // 2] * 1000:.3f}",
                *ratios,
                style="bold" if name == "product" else "",
            )
            title = ""
        shown.add_section()
    return shown


def as_json(measured: Sequence[Measured]) -> dict[str, Any]:
    """The same for programs; times in seconds."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cases": {
            one.case.key: {
                "title": one.case.title,
                "servers": {
                    name: {
                        "requestsPerSecond": run.rate,
                        "p50": run.percentile(0.5),
                        "p99": run.percentile(0.99),
                        "cpuPerRequest": sorted(run.cpu_each)[len(run.cpu_each) // 2],
                        "rounds": run.rates,
                    }
                    for name, run in one.runs.items()
                },
                "productToFloor": one.rate_ratio("product", "floor"),
                "productToStock": one.rate_ratio("product", "stock"),
                "productToFloorCpu": one.cpu_ratio("product", "floor"),
                "productToStockCpu": one.cpu_ratio("product", "stock"),
            }
            for one in measured
        },
    }


def growth_table(grid: Grid) -> Table:
    """Milliseconds of each question by size and station, and how the table was read at the largest size."""
    places = sorted(
        {place for cells in grid.values() for place in cells}, key=lambda one: one[::-1]
    )
    shown = Table(
        title="Median of an answer in ms, by the incidents of all stations and of the asked one"
    )
    shown.add_column("")
    for size, station in places:
        shown.add_column(f"{station}\n{size:,}", justify="right")
    shown.add_column("read by")
    for title, cells in grid.items():
        access = sorted({one for cell in cells.values() for one in cell.access})
        shown.add_row(
            title,
            *(f"{cells[place].median * 1000:.2f}" if place in cells else "" for place in places),
            "\n".join(access),
            style="" if all(cell.by_index for cell in cells.values()) else "red",
        )
    return shown


def growth_json(grid: Grid) -> dict[str, Any]:
    """The same for programs; seconds."""
    return {
        title: [
            {
                "incidents": size,
                "station": station,
                "median": cell.median,
                "readBy": sorted(cell.access),
            }
            for (size, station), cell in cells.items()
        ]
        for title, cells in grid.items()
    }


def samples_table(title: str, stacks: list[tuple[Stack, int]], lines: int = 40) -> Table:
    """The functions that a server was busy with: by their own work, and with all that they called."""
    shown = Table(title=f"{title}: {sum(times for _, times in stacks):,} samples")
    for heading in ("own", "function", "with callees", "function"):
        shown.add_column(heading)
    own, whole = shares(stacks, own=True), shares(stacks, own=False)
    for (here, one), (below, other) in zip(own[:lines], whole[:lines], strict=False):
        shown.add_row(f"{one:.1%}", here, f"{other:.1%}", below)
    return shown


def show(*what: Any) -> None:
    """Prints for people, wide enough also where there is no terminal."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=150)
    console.print(*what)


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"
