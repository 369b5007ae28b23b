"""How a process writes its log: one line an event, never with a coordinate, a token or a signed link."""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal

import structlog

_HIDDEN = frozenset(
    {
        "latitude",
        "longitude",
        "position",
        "token",
        "code",
        "secret",
        "key",
        "authorization",
        "link",
        "url",
        "address",
    }
)
"""Names under which a value must never be written. Whoever logs should not hand these over; this is the net below."""

_QUIET = ("uvicorn.access", "httpx", "httpcore", "urllib3", "google", "websockets", "PIL")
"""Libraries whose lines may hold whole addresses, and with them signatures: only their errors are written."""


def configure_logs(
    log_format: Literal["json", "console"],
    level: Literal["debug", "info", "warning", "error"],
    *,
    for_good: bool = True,
) -> None:
    """Sends the log of this process, libraries included, to standard error.

    `for_good` lets loggers keep what they find at their first line, which a server's many lines gain from.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        hide,
    ]
    rendering: list[Any] = (
        # Plain tracebacks: one with local variables would write tokens and positions.
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if log_format == "json"
        else [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=for_good,
    )


def hide(_: Any, __: str, event: Any) -> Any:
    """Replaces what must never be written."""
    for name in _HIDDEN & event.keys():
        event[name] = "hidden"
    return event
