"""The product as `patrol serve` runs it."""

from __future__ import annotations

from collections.abc import Callable

from api.serving import serve
from api.settings import Settings
from bench.servers.child import main


async def product(settings: Settings, ready: Callable[[str], None]) -> None:
    """Serves until it is told to stop."""
    await serve(settings, ready=ready)


if __name__ == "__main__":
    main(product)
