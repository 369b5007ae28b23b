"""Writes the pages and contracts that follow from the code, so that they cannot say anything else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic.fields import FieldInfo

from api.settings import PREFIX, Settings
from patrol.errors import GROUPS, Problem, catalogue
from storage.faults import StorageFault

MADE = "<!-- Made by `patrol schema export`; change the code, not this page. -->\n"


def write_pages(root: Path) -> Iterator[Path]:
    """Writes each page under the root of a checkout and says which."""
    for name, text in pages().items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        yield path


def pages() -> dict[str, str]:
    """Path in the checkout → text."""
    from schema.admin import admin_door
    from schema.partner import partner_door
    from schema.phone import phone_door

    doors = {"phone": phone_door(), "partner": partner_door(), "admin": admin_door()}
    return {
        "docs/errors.md": errors_page(),
        "docs/settings.md": settings_page(),
        **{
            f"mobile_contracts/{name}.graphql": f"{door.schema.as_str()}\n"
            for name, door in doors.items()
        },
    }


def errors_page() -> str:
    """Every code of the catalogue, ordered by HTTP status."""
    rows = sorted(
        (problem for problem in catalogue() if problem not in GROUPS),
        key=lambda problem: (problem.http_status, problem.code),
    )
    return (
        f"{MADE}\n# Errors\n\n"
        "Every refusal has a stable `code`, a message and, as `whatToDo`, the reader's next step. Over GraphQL it is a "
        "member of a union or `extensions.code`; over HTTP it is the JSON body with the status below. A code is never "
        "renamed or reused.\n\n"
        + _table(
            ("Code", "Status", "Meaning", "What to do"),
            [
                (f"`{one.code}`", str(one.http_status), one.default_message(), one.what_to_do)
                for one in rows
            ],
        )
        + "\n## In Thai\n\n"
        'Why a record was not stored as it was sent: officers read it beside "kept, with your supervisor".\n\n'
        + _table(
            ("Code", "Thai"),
            [(f"`{one.code}`", one.message_th) for one in rows if one.message_th],
        )
        + "\n## Faults of what is kept\n\n"
        "The command line and logs name these; the doors answer them with a code from above.\n\n"
        + _table(
            ("Fault", "Meaning"),
            [(f"`{one.__name__}`", _first_line(one)) for one in StorageFault.__subclasses__()],
        )
    )


def settings_page() -> str:
    """Every setting with its default and its limits."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = "" if default is None else f"`{default}`"
        rows.append(
            (f"`{PREFIX}{name.upper()}`", shown, f"{field.description or ''}{_limits(field)}")
        )
    return (
        f"{MADE}\n# Settings\n\n"
        "Every setting is an environment variable. An empty one counts as not set. `patrol check` says what is wrong "
        "with them, also with a name that is none of these.\n\n"
        + _table(("Setting", "Default", "Meaning"), rows)
    )


def _limits(field: FieldInfo) -> str:
    lowest = [one.ge for one in field.metadata if hasattr(one, "ge")]
    highest = [one.le for one in field.metadata if hasattr(one, "le")]
    if lowest and highest:
        return f" From {lowest[0]} to {highest[0]}."
    return f" At least {lowest[0]}." if lowest else ""


def _first_line(described: type[Problem | StorageFault]) -> str:
    return (described.__doc__ or "").strip().splitlines()[0]


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    escaped = [tuple(cell.replace("|", "\\|") for cell in row) for row in (header, *rows)]
    widths = [max(len(row[place]) for row in escaped) for place in range(len(header))]

    def line(cells: tuple[str, ...]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return f"| {' | '.join(padded)} |\n"

    rule = f"| {' | '.join('-' * width for width in widths)} |\n"
    return line(escaped[0]) + rule + "".join(line(row) for row in escaped[1:])
