"""What was acknowledged survives a kill of everything at once; what was not is sent again and is not doubled."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from uuid_utils.compat import uuid7

from tests.api.cli_support import CommandLine
from tests.api.test_cli_up import Up, up
from tests.phone import PULL, PUSH
from tests.signing_phone import SigningPhone

READY_SECONDS = 15.0
"""On a machine that does nothing else."""

READY_STARTS = 3
"""In starts of an empty installation, on a machine that is busy with other tests."""

BATCH = 20


class NothingStored(Exception):
    """The server says that it cannot answer now."""


@dataclass
class Officer:
    """An officer whose phone pushes one report after the other, and remembers what was acknowledged."""

    key: SigningPhone = field(default_factory=SigningPhone)
    refresh_token: str = ""
    access_token: str = ""
    outbox: list[dict[str, Any]] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)

    async def enrol(self, http: httpx.AsyncClient, code: str) -> None:
        answer = await http.post(
            "/auth/enrol",
            json={
                "code": code,
                "publicKey": {k: self.key.jwk[k] for k in ("kty", "crv", "x")},
                "proof": self.key.enrol_proof(code),
                "platform": "android",
                "model": "Test",
                "appVersion": "1.0",
            },
        )
        self._take(answer)

    async def refresh(self, http: httpx.AsyncClient) -> None:
        token = self.refresh_token
        self._take(
            await http.post(
                "/auth/refresh",
                json={"refreshToken": token, "proof": self.key.refresh_proof(token)},
            )
        )

    def _take(self, answer: httpx.Response) -> None:
        assert answer.status_code == 200, answer.text
        signed_in = answer.json()
        self.refresh_token = signed_in["refreshToken"]
        self.access_token = signed_in["accessToken"]

    async def ask(self, http: httpx.AsyncClient, text: str, **variables: Any) -> dict[str, Any]:
        answer = await http.post(
            "/graphql",
            json={"query": text, "variables": variables},
            headers={"authorization": f"Bearer {self.access_token}"},
        )
        told: dict[str, Any] = answer.json()
        if told.get("data") is None:
            # While the database is dead and the server is not yet: refused as unavailable, never as a mistake of ours.
            assert told["errors"][0]["extensions"]["code"] == "DATABASE_UNAVAILABLE", told
            raise NothingStored
        data: dict[str, Any] = told["data"]
        return data

    def record(self) -> None:
        """One more batch of reports in the outbox."""
        for _ in range(BATCH):
            number = len(self.outbox) + 1
            report = {
                "id": str(uuid7()), "category": "OTHER", "severity": "LOW", "title": f"Report {number}",
                "latitude": 16.7131, "longitude": 98.5708,
            }  # fmt: skip
            self.outbox.append(
                {
                    "sequence": number,
                    "mutationId": str(uuid7()),
                    "capturedAt": "2026-11-23T08:00:00+07:00",
                    "change": {"reportIncident": report},
                }
            )

    async def push(self, http: httpx.AsyncClient, mutations: list[dict[str, Any]]) -> list[str]:
        data = await self.ask(http, PUSH, lane="RECORDS", mutations=mutations)
        answers = data["push"]["answers"]
        stored = [one for one in answers if one["outcome"] in ("APPLIED", "DUPLICATE")]
        self.acknowledged |= {one["rowId"] for one in stored}
        return [one["outcome"] for one in answers]

    async def keep_pushing(self, http: httpx.AsyncClient) -> None:
        while True:
            self.record()
            await self.push(http, self.outbox[-BATCH:])

    async def pull(self, http: httpx.AsyncClient) -> list[str]:
        found: list[str] = []
        cursor = None
        while True:
            page = (await self.ask(http, PULL, cursor=cursor, first=500))["pull"]
            found += [row["id"] for row in page["incidents"]]
            cursor = page["cursor"]
            if page["complete"]:
                return found


def kill(running: Up) -> None:
    for process in running.tree():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


async def test_an_acknowledged_report_survives_a_kill_of_everything(tmp_path: Path) -> None:
    patrol = CommandLine({"data_dir": str(tmp_path)})
    officer = Officer()
    began = time.monotonic()
    async with up(tmp_path) as first:
        limit = max(READY_SECONDS, READY_STARTS * (time.monotonic() - began))
        code = (await patrol.ok("officer", "enrol", "MST-001", "--quiet")).strip()
        async with httpx.AsyncClient(base_url=first.address, timeout=30) as http:
            await officer.enrol(http, code)
            pushing = asyncio.create_task(officer.keep_pushing(http))
            async with asyncio.timeout(30):
                while len(officer.acknowledged) < 5 * BATCH:  # noqa: ASYNC110 # another task's progress
                    await asyncio.sleep(0.01)
            kill(first)
            with contextlib.suppress(httpx.HTTPError, NothingStored):
                await pushing
        await first.process.wait()
    acknowledged = set(officer.acknowledged)

    began = time.monotonic()
    async with (
        up(tmp_path) as second,
        httpx.AsyncClient(base_url=second.address, timeout=30) as http,
    ):
        assert (await http.get("/readyz")).status_code == 200
        assert time.monotonic() - began < limit
        await officer.refresh(http)
        assert acknowledged <= set(await officer.pull(http))
        for start in range(0, len(officer.outbox), BATCH):
            await officer.push(http, officer.outbox[start : start + BATCH])
        found = await officer.pull(http)
        reports = {one["change"]["reportIncident"]["id"] for one in officer.outbox}
        assert sorted(found) == sorted(reports)
