"""`patrol partner`: partner organisations, their sharing agreements and their keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import typer

from api.cli.exits import plainly, run
from api.cli.session import note, out, reading, table, writing
from storage.vocabulary import DetailLevel, Sector, SharingSubject

Code = Annotated[str, typer.Argument(help="The partner's code, such as MST-CITY.")]
Until = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Until when (UTC); default: until revoked."
    ),
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    noun = typer.Typer(
        help="Partner agencies: add, list, grant, key, revoke.", no_args_is_help=True
    )
    noun.command("add")(add)
    noun.command("list")(list_)
    noun.command("grant")(grant)
    noun.command("revoke")(revoke)
    noun.command("key")(key)
    noun.command("keys")(keys)
    noun.command("revoke-key")(revoke_key)
    app.add_typer(noun, name="partner")


@plainly
def add(
    code: Code,
    name: Annotated[str, typer.Option(help="Name in English.")],
    sector: Annotated[
        Sector, typer.Option(case_sensitive=False, help="Which of the big six it belongs to.")
    ],
    name_th: Annotated[str, typer.Option(help="Name in Thai; default: the English one.")] = "",
) -> None:
    """Add a partner organisation. It sees nothing until `partner grant`."""

    async def work() -> None:
        from patrol.sharing import add_partner

        async with writing() as connection:
            partner = await add_partner(
                connection, code=code, name=name, name_th=name_th or name, sector=sector
            )
        out(str(partner))

    run(work())


@plainly
def list_(
    code: Annotated[str | None, typer.Argument(help="Show the agreements of one partner.")] = None,
) -> None:
    """List the partners, or with a code the agreements of one."""

    async def work() -> None:
        from patrol.sharing import find_partner
        from storage.sharing import STORED_AGREEMENTS, STORED_ORGANISATIONS

        async with reading() as connection:
            if code is None:
                rows = await connection.fetch(STORED_ORGANISATIONS)
            else:
                partner = await find_partner(connection, code)
                rows = await connection.fetch(STORED_AGREEMENTS, partner["id"])
        shown = (
            ("code", "name", "name_th", "sector", "agreements", "keys", "active")
            if code is None
            else (
                "id",
                "zones",
                "subjects",
                "detail",
                "delay_seconds",
                "valid_from",
                "valid_until",
                "revoked_at",
            )
        )
        table(shown, [[row[column] for column in shown] for row in rows])

    run(work())


@plainly
def grant(
    code: Code,
    zone: Annotated[list[str], typer.Option(help="Code of a zone; repeatable.")],
    subject: Annotated[
        list[SharingSubject], typer.Option(case_sensitive=False, help="What to share; repeatable.")
    ],
    detail: Annotated[DetailLevel, typer.Option(case_sensitive=False)] = DetailLevel.COARSE,
    inner: Annotated[
        bool, typer.Option("--inner", help="Also the zones that lie inside the named ones today.")
    ] = False,
    delay_minutes: Annotated[
        int, typer.Option(min=0, help="Hold back what is more recent than this.")
    ] = 0,
    until: Until = None,
    station: Annotated[str | None, typer.Option(help="Code of the station.")] = None,
) -> None:
    """Add a sharing agreement over exactly these zones and subjects. It holds at once."""

    async def work() -> None:
        from patrol.sharing import find_partner
        from patrol.sharing import grant as add_agreement
        from patrol.stations import find_station, zones_by_code

        async with writing() as connection:
            partner = await find_partner(connection, code)
            home = await find_station(connection, station)
            zones = await zones_by_code(connection, home, zone, inner=inner)
            agreement = await add_agreement(
                connection,
                partner["id"],
                zones,
                subject,
                detail=detail,
                delay=timedelta(minutes=delay_minutes),
                valid_until=until and until.replace(tzinfo=UTC),
            )
        out(str(agreement))

    run(work())


@plainly
def revoke(
    agreement: Annotated[UUID, typer.Argument(help="The id that `partner list CODE` shows.")],
) -> None:
    """End a sharing agreement at once."""

    async def work() -> None:
        from patrol.sharing import revoke as end

        async with writing() as connection:
            await end(connection, agreement)
        note("The agreement was revoked.")

    run(work())


@plainly
def key(
    code: Code,
    label: Annotated[str, typer.Option(help="What the key is for, so that people can tell.")] = "",
    until: Until = None,
) -> None:
    """Issue an API key. It is shown once: only its SHA-256 is kept."""

    async def work() -> None:
        from patrol.identity import issue_api_key
        from patrol.sharing import find_partner

        async with writing() as connection:
            partner = await find_partner(connection, code)
            issued = await issue_api_key(
                connection,
                partner["id"],
                label or "command line",
                expires_at=until and until.replace(tzinfo=UTC),
            )
        out(issued.secret)
        note(f"Key {issued.id} of {code}. Give it to the partner now: it is not shown again.")

    run(work())


@plainly
def keys(code: Code) -> None:
    """List a partner's keys: their visible beginning, never the key."""

    async def work() -> None:
        from patrol.sharing import find_partner
        from storage.sharing import STORED_API_KEYS

        async with reading() as connection:
            partner = await find_partner(connection, code)
            rows = await connection.fetch(STORED_API_KEYS, partner["id"])
        shown = ("id", "prefix", "label", "created_at", "expires_at", "revoked_at")
        table(shown, [[row[column] for column in shown] for row in rows])

    run(work())


@plainly
def revoke_key(
    key_id: Annotated[UUID, typer.Argument(help="The id that `partner keys CODE` shows.")],
) -> None:
    """End an API key at once."""

    async def work() -> None:
        from patrol.identity import revoke_api_key

        async with writing() as connection:
            await revoke_api_key(connection, key_id)
        note("The key was revoked.")

    run(work())
