"""Whether every call for help reached a person and ended, and whether its story tells all that the phones did."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import httpx

from api.demo.alarms import Alarm, Alarms
from api.demo.cast import Cast
from api.demo.finding import Finding
from api.demo.hour import SUPERVISOR
from mobile_contracts.reference import Account, Row

FIELDS = "id status presses acknowledgedAt steps { outcome } recipients { outcome }"
LEDGER = "id stepId officerId receivedAt displayedAt"


async def check_calls(cast: Cast, alarms: Alarms, *, push_on: bool) -> list[Finding]:
    """Compares calls with the administrator's lists and the supervisor's timelines. Without push only open apps hear."""
    # Somebody may answer an open app before the first push goes out; then nobody needs to be called.
    unheard = {"ANSWERED"}
    if not push_on:
        unheard.add("PUSH_OFF")
    if len(cast.phones) == 1:
        unheard.add("NOBODY")
    desk = cast.control_room.profiles[SUPERVISOR]
    stories = {
        alarm: (await desk.ask("AlertTimeline", id=alarm))["alert"] for alarm in alarms.by_id
    }
    alerts = await cast.office.every("alerts", FIELDS)
    return [
        _reached(alarms, alerts, unheard),
        _ended(alarms, stories),
        _told(cast, alarms, stories, push_on),
        _called_off(alarms, stories),
        _silent(cast, alarms),
        _citizen(cast),
        await _reports(cast.client, desk, alarms, stories),
    ]


def _reached(alarms: Alarms, alerts: list[Row], unheard: set[str]) -> Finding:
    """Every call was stored once, was counted right, reached somebody and was answered by a person."""
    finding = Finding("every SOS reached a person", "calls")
    stored: dict[str, list[Row]] = {}
    for row in alerts:
        stored.setdefault(row["id"], []).append(row)
    for alarm in alarms.by_id.values():
        rows = stored.get(alarm.id, [])
        finding.expect(len(rows) == 1, f"the call of {alarm.by} is stored {len(rows)} times")
        for row in rows:
            answered = row["acknowledgedAt"] is not None or alarm.mistake is not None
            finding.expect(
                row["status"] == alarm.ends and answered,
                f"the call of {alarm.by} is {row['status']}",
            )
            finding.expect(
                alarm.presses is None or row["presses"] == alarm.presses,
                f"the call of {alarm.by} counts {row['presses']} presses, not {alarm.presses}",
            )
            accepted = any(one["outcome"] == "ACCEPTED" for one in row["recipients"])
            ended = {one["outcome"] for one in row["steps"]}
            finding.expect(
                accepted or alarm.mistake is not None or not ended.isdisjoint(unheard),
                f"no phone was called for {alarm.by}",
            )
    return finding


def _ended(alarms: Alarms, stories: dict[str, Row]) -> Finding:
    """Who came is written down, and how it ended; whom the supervisor sent is who went."""
    finding = Finding("each call has who came and how it ended", "calls")
    for alarm in alarms.by_id.values():
        story = stories[alarm.id]
        kinds = _kinds(story)
        finding.expect("RAISED" in kinds, f"the story of {alarm.by} has no beginning")
        if alarm.mistake is None:
            finding.expect(story["resolution"] is not None, f"nobody said how {alarm.by} ended")
            finding.expect("CLOSED" in kinds, f"the story of {alarm.by} has no end")
        if alarm.sent:
            finding.expect("ASSIGNED" in kinds, f"nobody was sent to {alarm.by}")
    came = sum("ON_SCENE" in _kinds(story) for story in stories.values())
    finding.expect(came > 0, "nobody came to any call")
    return finding


def _kinds(story: Row) -> Counter[str]:
    return Counter(event["kind"] for event in story["events"])


def _told(cast: Cast, alarms: Alarms, stories: dict[str, Row], push_on: bool) -> Finding:
    """What each phone said of a call, that it came and was shown, and what its officer did, stands in the story: once for
    each phone, because somebody may have two."""
    finding = Finding("what phones told of calls is in their stories", "entries")
    said = Counter(one for one in _said(cast) if one[0] in alarms.by_id)
    stands = Counter(
        (alarm, str((event["officer"] or {}).get("id")), event["kind"], event["stepId"])
        for alarm, story in stories.items()
        for event in story["events"]
    )
    for entry, times in said.items():
        alarm, officer, kind, step = entry
        finding.expect(
            stands[entry] == times,
            f"{kind} of {alarms.by_id[alarm].by} by {officer} in {step} is told {stands[entry]} times, not {times}",
        )
    if push_on:
        finding.expect(any(one[2] == "DISPLAYED" for one in stands), "no phone showed any call")
    return finding


def _said(cast: Cast) -> Iterator[tuple[str, str, str, str | None]]:
    """Alert, officer, what and of which step."""
    for phone in cast.phones:
        for profile in phone.profiles.values():
            for one in profile.outbox.settled("APPLIED"):
                said = one.change[one.kind]
                if one.kind == "reportCall":
                    yield one.row_id, profile.id, said["state"], said["stepId"]
                elif one.kind == "respondToAlert":
                    yield one.row_id, profile.id, said["status"], None


def _called_off(alarms: Alarms, stories: dict[str, Row]) -> Finding:
    """A call is taken back by two people; the first of them changes nothing."""
    mistakes = [alarm for alarm in alarms.by_id.values() if alarm.mistake is not None]
    finding = Finding(
        "a mistaken SOS was called off by two people", "calls", may_be_empty=not mistakes
    )
    for alarm in mistakes:
        events = stories[alarm.id]["events"]
        who = {
            kind: {(event["officer"] or {}).get("id") for event in events if event["kind"] == kind}
            for kind in ("CANCEL_ASKED", "CANCELLED")
        }
        finding.expect(
            all(who.values()) and who["CANCEL_ASKED"].isdisjoint(who["CANCELLED"]),
            f"the call of {alarm.by} was called off by {who}",
        )
    return finding


def _silent(cast: Cast, alarms: Alarms) -> Finding:
    """As the demo's own Firebase saw it: each push of a silent call says so, and none went to the phone that raised it."""
    pushed = [alarm for alarm in alarms.by_id.values() if alarm.id in alarms.pushes]
    finding = Finding("a silent SOS betrayed nobody", "pushes", may_be_empty=not pushed)
    for alarm in pushed:
        own = _raised_on(cast, alarm)
        for address, silent in alarms.pushes[alarm.id]:
            finding.expect(
                silent == alarm.silent, f"a push for {alarm.by} is {'' if silent else 'not '}silent"
            )
            finding.expect(
                not (alarm.silent and address == own), f"the phone of {alarm.by} was called"
            )
    return finding


def _raised_on(cast: Cast, alarm: Alarm) -> str | None:
    for phone in cast.phones:
        for profile in phone.profiles.values():
            if any(
                one.kind == "raiseAlert" and one.row_id == alarm.id
                for one in profile.outbox.held("SOS")
            ):
                return phone.push_address
    return None


def _citizen(cast: Cast) -> Finding:
    """The page told the truth, from the call to the end, and never went back."""
    citizen = cast.citizen
    finding = Finding("a citizen saw that help came", "pages", may_be_empty=citizen is None)
    if citizen is not None:
        finding.expect(citizen.seen[-1:] == ["CLOSED"], f"the page ended with {citizen.seen}")
        order = ["OPEN", "ACKNOWLEDGED", "ON_THE_WAY", "ON_SCENE", "CLOSED"]
        places = [order.index(one) if one in order else -1 for one in citizen.seen]
        finding.expect(
            -1 not in places and places == sorted(places), f"the page said {citizen.seen}"
        )
    return finding


async def _reports(
    client: httpx.AsyncClient, desk: Account, alarms: Alarms, stories: dict[str, Row]
) -> Finding:
    """The report of the first call as PDF and JSON: fetched, whole, and telling what the timeline tells."""
    finding = Finding("the report of an SOS can be fetched", "reports")
    alert = next(iter(alarms.by_id))
    for form in ("PDF", "JSON"):
        told = (await desk.ask("ExportAlert", id=alert, form=form))["exportAlert"]
        if told["refusal"] is not None:
            finding.expect(False, f"{form}: {told['refusal']['code']}")
            continue
        data = (await client.get(told["url"])).content
        finding.expect(sha256(data).hexdigest() == told["sha256"], f"{form}: other bytes")
        if form == "PDF":
            finding.expect(data.startswith(b"%PDF-"), "it is no PDF")
        else:
            finding.expect(
                alert in json.dumps(_parsed(data)), "the JSON report is of something else"
            )
    return finding


def _parsed(data: bytes) -> Any:
    return json.loads(data)
