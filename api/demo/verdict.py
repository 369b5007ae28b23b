"""The end of the demo: does everybody agree? Everything is compared again, by other ways than it came about."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import httpx
from rich.console import Console
from rich.table import Table

from api.demo.alarms import Alarms
from api.demo.cast import Cast
from api.demo.check_calls import check_calls
from api.demo.check_copies import check_copies
from api.demo.check_partners import check_partners
from api.demo.check_pictures import check_pictures
from api.demo.check_recordings import check_recordings
from api.demo.check_records import check_records
from api.demo.finding import SHOWN, Finding
from api.demo.line import WeakLine
from api.demo.phone import Phone
from api.demo.recording import Recording


async def verdict(cast: Cast, alarms: Alarms, recordings: Sequence[Recording]) -> list[Finding]:
    """Compares phones, partners, cameras and the server; changes nothing."""
    push_on = await _push_is_on(cast.address)
    newcomer = await _newcomer(cast)
    try:
        return [
            _troubles(cast),
            *await check_records(cast),
            *await check_calls(cast, alarms, push_on=push_on),
            *await check_recordings(cast, recordings),
            *await check_copies(cast, newcomer),
            *await check_pictures(cast),
            *await check_partners(cast),
        ]
    finally:
        await newcomer.line.close()


async def _newcomer(cast: Cast) -> Phone:
    """A phone just out of its box, on which every officer enrols with a new code."""
    phone = Phone("a new phone", cast.address, WeakLine.over(cast.address, Random(0)))  # noqa: S311  # a line without faults draws nothing
    badges = dict.fromkeys(badge for one in cast.phones for badge in one.profiles)
    for badge in badges:
        await phone.enrol(await cast.office.enrolment_code(cast.places.officer_id(badge)))
    return phone


async def _push_is_on(address: str) -> bool:
    async with httpx.AsyncClient(base_url=address, timeout=10, trust_env=False) as client:
        return bool((await client.get("/readyz")).json().get("push"))


def _troubles(cast: Cast) -> Finding:
    """Refusals that no phone should ever get, and devices that nobody answered."""
    finding = Finding("nobody was signed out or refused out of turn", "users")
    for phone in cast.phones:
        renewed = sum(profile.session.refreshes for profile in phone.profiles.values())
        finding.expect(renewed > 0, f"{phone.name}: its session was never renewed")
        finding.expect(not phone.troubles, f"{phone.name}: {phone.troubles[:1]}")
    for pole in cast.poles:
        finding.expect(not pole.failed, f"{pole.code}: {pole.failed[:1]}")
    return finding


def lose_a_row(cast: Cast) -> str:
    """Plants a disagreement: a phone forgets one row of its copy. The verdict must find it, or it proves nothing."""
    phone = cast.phones[-1]
    copy = phone.officer.copy
    subject = "incidents" if copy.rows("incidents") else "cameras"
    copy.lose(subject, max(copy.rows(subject)))
    return f"{phone.name} was made to lose one row of {subject}."


def tell(console: Console, findings: list[Finding]) -> None:
    """Prints the verdict: a table on a terminal, lines elsewhere, and then what differs."""
    if console.is_terminal:
        table = Table(box=None, header_style="bold", title="Do all agree?", title_justify="left")
        for column in ("compared", "how many", "result"):
            table.add_column(column)
        for one in findings:
            style = "green" if one.agrees else "bold red"
            table.add_row(one.name, f"{one.compared} {one.unit}", one.result, style=style)
        console.print(table)
    else:
        for one in findings:
            _say(console, f"{one.result:>10}  {one.name} ({one.compared} {one.unit})")
    for one in findings:
        for difference in one.differences[:SHOWN]:
            _say(console, f"  {one.name}: {difference}")
        if len(one.differences) > SHOWN:
            _say(console, f"  {one.name}: and {len(one.differences) - SHOWN} more")
    agreed = all(one.agrees for one in findings)
    _say(console, "Everybody agrees." if agreed else "They do NOT agree; see above.")


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
