"""`patrol buckets`: what is kept in the object store, and whether it is kept as it must be."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from api.cli.exits import plainly, run
from api.cli.session import note, out, settings, table


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(buckets)


@plainly
def buckets(
    json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
    make: Annotated[
        bool, typer.Option("--make", help="First create those that are missing, with their locks.")
    ] = False,
) -> None:
    """List the buckets: objects, bytes, versioning, lock, retention, and what is wrong with them."""
    from api.machine import servers

    with servers(settings(), store=True, note=note) as addressed:
        reports = run(_inspect(addressed, make=make))
    if json:
        from dataclasses import asdict

        import orjson

        out(orjson.dumps([asdict(report) for report in reports]).decode())
        return
    table(
        ("bucket", "purpose", "objects", "versions", "bytes", "versioning", "lock", "lifecycle"),
        [
            (
                report.name,
                report.purpose.value,
                report.objects,
                report.versions,
                report.bytes,
                report.versioning,
                report.object_lock,
                report.lifecycle,
            )
            for report in reports
        ],
    )
    for report in reports:
        for problem in report.problems:
            note(problem)


async def _inspect(addressed: Any, *, make: bool) -> Any:
    from api.stores import store_of

    store = store_of(addressed)
    try:
        if make:
            for name in await store.ensure_buckets():
                note(f"created {name}")
        note("Counting …")
        return await store.inspect()
    finally:
        await asyncio.to_thread(store.close)
