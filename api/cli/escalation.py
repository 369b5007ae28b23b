"""`patrol escalation`: whom a call for help reaches and when, station by station."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.exits import plainly, run
from api.cli.session import note, operator, out, reading, table, writing

if TYPE_CHECKING:
    from patrol.sos.policies import Version

Station = Annotated[
    str | None, typer.Option(help="Code of the station; not needed while there is only one.")
]
Json = Annotated[bool, typer.Option("--json", help="For programs, and as a file to begin with.")]

EXPLAINED = {
    "answerWithin": "seconds that somebody who was sent has to answer",
    "onTheWayWithin": "seconds from an answer until somebody has set out",
    "onSceneWithin": "seconds from setting out until somebody has arrived",
    "answerHolds": "seconds that an answer is believed when a pole is pressed again",
    "againAfter": "seconds after the last step until people are called again",
    "wholeRounds": "times that all steps are run, before only supervisors are rung",
}


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    noun = typer.Typer(
        help="Whom a call for help reaches and when: show, set, history. See docs/escalation.md.",
        no_args_is_help=True,
    )
    noun.command("show")(show)
    noun.command("set")(set_)
    noun.command("history")(history)
    app.add_typer(noun, name="escalation")


@plainly
def show(
    station: Station = None,
    version: Annotated[
        int | None, typer.Option(help="An earlier version; 0 is the built-in policy.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the policy in force, or an earlier version."""

    async def work() -> None:
        from patrol.sos.policies import policy_in_force
        from patrol.stations import find_station

        async with reading() as connection:
            found = await policy_in_force(
                connection, await find_station(connection, station), version
            )
        if as_json:
            _as_json(found.policy.document())
            return
        note(_named(found))
        document = found.policy.document()
        table(
            ("step", "after", "target", "more"),
            [
                (number, f"{step['after']} s", step["target"], _more(step))
                for number, step in enumerate(document["steps"], start=1)
            ],
        )
        table(
            ("time", "value", "what"),
            [(name, document[name], EXPLAINED[name]) for name in EXPLAINED],
        )

    run(work())


@plainly
def set_(
    file: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            readable=True,
            help="JSON as `escalation show --json` prints it.",
        ),
    ],
    station: Station = None,
    reason: Annotated[str, typer.Option(help="Why; kept with the version.")] = "",
    base_version: Annotated[
        int | None,
        typer.Option(
            help="Refuse when the version in force is another, so that nobody is overwritten."
        ),
    ] = None,
) -> None:
    """Give the station a new version of its policy. Alerts that are raised already keep theirs."""

    async def work() -> None:
        import orjson

        from patrol.errors import PolicyInvalid
        from patrol.sos.policies import set_policy
        from patrol.stations import find_station

        try:
            document = orjson.loads(file.read_bytes())
        except orjson.JSONDecodeError as error:
            raise PolicyInvalid(f"{file.name} is not JSON: {error}.") from error
        async with writing() as connection:
            now = await set_policy(
                connection,
                await find_station(connection, station),
                document,
                by=str(operator()),
                reason=reason,
                base_version=base_version,
            )
        out(f"Version {now.version} holds for alerts from now on.")

    run(work())


@plainly
def history(
    station: Station = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    as_json: Json = False,
) -> None:
    """List the versions that the station has set, the newest first."""

    async def work() -> None:
        from patrol.sos.policies import versions
        from patrol.stations import find_station

        async with reading() as connection:
            found = await versions(connection, await find_station(connection, station), limit)
        if as_json:
            _as_json(
                [
                    {
                        "version": one.version,
                        "createdAt": one.created_at,
                        "setBy": one.set_by,
                        "reason": one.reason,
                        "policy": one.policy.document(),
                    }
                    for one in found
                ]
            )
            return
        table(
            ("version", "created_at", "set_by", "steps", "reason"),
            [
                (
                    one.version,
                    one.created_at,
                    one.set_by,
                    [
                        f"{step['target']}@{step['after']}"
                        for step in one.policy.document()["steps"]
                    ],
                    one.reason,
                )
                for one in found
            ],
        )

    run(work())


def _named(found: Version) -> str:
    if found.version == 0:
        return "The built-in policy: the station has set none, or version 0 was asked for."
    why = f": {found.reason}" if found.reason else ""
    return f"Version {found.version}, set by {found.set_by}{why}"


def _more(step: dict[str, Any]) -> str:
    if "who" not in step:
        return ""
    return f"{step['stations']} stations within {step['withinKm']} km, {step['who']}"


def _as_json(value: Any) -> None:
    import orjson

    out(orjson.dumps(value, option=orjson.OPT_UTC_Z | orjson.OPT_INDENT_2).decode())
