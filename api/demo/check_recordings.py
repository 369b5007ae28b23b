"""Whether a call that was recorded can be watched, as it was made and as one file, and where everybody was."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from urllib.parse import urljoin

import av
import httpx

from api.demo.cast import Cast
from api.demo.film import SECONDS
from api.demo.finding import Finding
from api.demo.hour import SUPERVISOR
from api.demo.recording import SEGMENTS, Recording

LENGTH = SEGMENTS * SECONDS


async def check_recordings(cast: Cast, recordings: Sequence[Recording]) -> list[Finding]:
    """Plays each recording twice, by its list and by its file, and reads the trail of its call."""
    return [
        await _plays(cast.client, recordings),
        await _ways(cast, recordings),
    ]


async def _plays(client: httpx.AsyncClient, recordings: Sequence[Recording]) -> Finding:
    finding = Finding("the recording of an SOS plays, live and as one file", "films")
    for recording in recordings:
        finding.expect(recording.watched > 0, "nobody could watch while it was recorded")
        clip = await recording.shown()
        if clip is None or clip["state"] != "READY":
            finding.expect(False, f"the recording is {clip and clip['state']}")
            continue
        finding.expect(
            clip["ready"] == clip["declared"] == SEGMENTS,
            f"{clip['ready']} of {clip['declared']} segments are there, not {SEGMENTS}",
        )
        listed = await client.get(clip["liveUrl"])
        parts = [line for line in listed.text.splitlines() if line and not line.startswith("#")]
        film = b""
        for part in parts:
            address = urljoin(str(listed.url), part)
            film += (await client.get(address, follow_redirects=True)).content
        finding.expect("#EXT-X-ENDLIST" in listed.text, "the list has no end")
        await _long_enough(finding, "the list", film)
        whole = await client.get(clip["fileUrl"], follow_redirects=True)
        await _long_enough(finding, "the file", whole.content)
    return finding


async def _long_enough(finding: Finding, what: str, film: bytes) -> None:
    seconds = await asyncio.to_thread(_seconds, film)
    finding.expect(
        abs(seconds - LENGTH) < 0.5, f"{what} plays for {seconds:.1f} s, not {LENGTH:.1f} s"
    )


def _seconds(film: bytes) -> float:
    """From the first picture to the end of the last, as they are decoded. Blocking."""
    try:
        with av.open(io.BytesIO(film), "r") as opened:
            times = [frame.time for frame in opened.decode(video=0) if frame.time is not None]
    except av.FFmpegError:
        return 0.0
    return max(times) - min(times) + SECONDS / 20 if times else 0.0


async def _ways(cast: Cast, recordings: Sequence[Recording]) -> Finding:
    """The way of the raiser, and of each who came before it was over."""
    finding = Finding("the ways of raiser and responders are known", "people")
    desk = cast.control_room.profiles[SUPERVISOR]
    for recording in recordings:
        points = (await desk.ask("AlertTrail", id=recording.alert))["alertTrail"]["points"]
        known = {one["officerId"] for one in points}
        finding.expect(recording.account.id in known, "nothing is known of the raiser's way")
        story = (await desk.ask("AlertTimeline", id=recording.alert))["alert"]
        for event in story["events"]:
            # An app of an earlier release tells no positions, and nothing of arriving either.
            if event["kind"] == "ON_SCENE" and event["at"] < (story["closedAt"] or ""):
                who = event["officer"]
                finding.expect(who["id"] in known, f"nothing is known of the way of {who['name']}")
    return finding
