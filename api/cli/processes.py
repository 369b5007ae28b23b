"""`patrol serve` and `patrol work`: the two processes of which an installation runs as many as it likes."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.exits import plainly
from api.cli.session import note

if TYPE_CHECKING:
    from api.settings import Settings


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(serve)
    app.command()(work)


_Start = Annotated[
    str | None, typer.Option(hidden=True, help="The start of `patrol up` that this belongs to.")
]


@plainly
def serve(
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Instead of PATROL_PORT; 0 picks a free one."),
    ] = None,
    start: _Start = None,
) -> None:
    """Run the HTTP server (any number may run) until SIGINT or SIGTERM."""
    from api import app as _imported_while_the_servers_start  # noqa: F401  # see _settings
    from api import serving

    settings = _settings(start)
    if port is not None:
        settings = settings.model_copy(update={"port": port})
    serving.run(lambda: serving.serve(settings, ready=lambda where: note(f"Serving on {where}")))


@plainly
def work(start: _Start = None) -> None:
    """Run background jobs (any number may run) until SIGINT or SIGTERM."""
    from api import serving
    from api import worker as _imported_while_the_servers_start  # noqa: F401  # see _settings

    settings = _settings(start)
    serving.run(lambda: serving.work(settings, ready=lambda: note("Working")))


def _settings(start: str | None) -> Settings:
    """The settings of this process. A child of `patrol up` is begun before its servers have addresses, because its
    imports take longer than their start; it waits here until they are published."""
    from api.logs import configure_logs
    from api.settings import load_settings

    settings = load_settings()
    if start is not None:
        from api.machine import published_settings

        while (found := published_settings(settings.data_dir, start)) is None:
            time.sleep(0.01)
        os.environ.update(found)
        settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    return settings
