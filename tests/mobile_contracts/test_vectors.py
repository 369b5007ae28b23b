"""The transcripts that phone teams replay are true of the server, and of the reference phone where it is the phone's side."""

from __future__ import annotations

import copy
import struct
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mobile_contracts.reference import DeviceKey, Store
from mobile_contracts.reference.checkpoint import judge
from mobile_contracts.reference.parts import digest
from patrol.checkpoints import read_code
from patrol.clock import read_phone_time
from patrol.errors import DeviceProofInvalid, ReceiptInvalid
from patrol.identity import PhoneKey, sha256_text
from patrol.keys import Key, KeySet
from patrol.sync import receipts as receipting
from schema.phone import phone_door
from storage.buckets import ObjectStore
from storage.database import Database
from tests.api.site import opened
from tests.mobile_contracts.installation import Installation, account
from tests.mobile_contracts.replay import VECTORS, Compared, altered, damaged, exchange, read
from tests.world import World

FILES = sorted(path.stem for path in VECTORS.glob("*.json"))
ON_A_SERVER = ("exchange", "http")
EXCHANGES = [name for name in FILES if read(name)["kind"] in ON_A_SERVER]
BY_HTTP = [name for name in FILES if read(name)["kind"] == "http"]
PHONES = [name for name in FILES if read(name)["kind"] not in ON_A_SERVER]


def test_every_file_says_what_it_shows_and_how_it_is_replayed() -> None:
    page = (VECTORS / "README.md").read_text(encoding="utf-8")
    for name in FILES:
        vector = read(name)
        assert f"`{name}`" in page or name.startswith("reset-"), name
        assert f"| `{vector['kind']}` |" in page
        for one in (vector, *vector.get("steps", ()), *vector.get("cases", ())):
            assert one["says"].endswith((".", "?")), one["says"]


def test_everything_that_may_happen_is_on_the_page() -> None:
    page = (VECTORS / "README.md").read_text(encoding="utf-8")
    events = {
        event
        for name in EXCHANGES
        for step in read(name)["steps"]
        for event in step.get("happens", ())
    }
    assert events
    for event in events:
        assert f"| `{event}` |" in page


# The server's side


@pytest.fixture
async def installation(
    request: pytest.FixtureRequest,
    login_url: str,
    database: Database,
    owner: asyncpg.Connection,
    store: ObjectStore,
    keys: KeySet,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Installation]:
    here = Installation(phone_door(), database, login_url, owner, world, keys, monkeypatch)
    if request.getfixturevalue("name") in BY_HTTP:
        async with opened(login_url, database, store, keys, world) as here.site:
            yield here
    else:
        yield here
    await here.end()


@pytest.mark.parametrize("name", EXCHANGES)
async def test_an_exchange_goes_as_it_is_written(name: str, installation: Installation) -> None:
    """And would not go otherwise: no answer fits the file with any one thing changed, the negative control of each step."""
    compared = await exchange(read(name), installation, await installation.begin())
    assert compared
    changes = [fits for one in compared for fits in fitting(one)]
    assert changes == []
    assert sum(1 for one in compared for _ in altered(one.pattern)) > len(compared)


def fitting(one: Compared) -> Iterator[tuple[str, Any]]:
    """Changed patterns that the answer fits as well."""
    for other in altered(one.pattern):
        if copy.deepcopy(one.names).differ(other, one.found) is None:
            yield one.says, other


@pytest.mark.parametrize("name", ["push"])
async def test_an_exchange_that_is_wrong_is_noticed(name: str, installation: Installation) -> None:
    vector = copy.deepcopy(read(name))
    vector["steps"][2]["expect"]["push"]["answers"][0]["first"] = "MERGED"
    with pytest.raises(AssertionError, match=r"first is 'APPLIED', not 'MERGED'"):
        await exchange(vector, installation, await installation.begin())


@pytest.mark.parametrize("name", ["walk"])
async def test_a_copy_that_is_not_the_server_s_is_noticed(
    name: str, installation: Installation
) -> None:
    """The phone that loses a row of a page does not fit the digests, nor what the file says of its copy."""
    known = await installation.begin()
    applied = installation.app.apply

    def forgetful(page: dict[str, Any], subjects: Any = None) -> int:
        return applied({**page, "zones": []}, subjects)

    installation.app.apply = forgetful  # type: ignore[method-assign] # a phone with a fault
    with pytest.raises(AssertionError):
        await exchange(read(name), installation, known)


# The phone's side


def pages(vector: dict[str, Any], case: dict[str, Any], store: Store) -> None:
    """The reference phone applies pages."""
    app = account(store)
    for page in case["pages"]:
        app.apply(page, page.get("subjects"))
    found: dict[str, dict[str, list[Any]]] = {}
    for subject, scope, key, rev in app.copy.versions():
        found.setdefault(subject, {})[key] = [scope, rev]
    assert found == case["copy"]
    assert app.cursor(case["pages"][-1].get("subjects")) == case["pages"][-1]["cursor"]


def outbox(vector: dict[str, Any], case: dict[str, Any], store: Store) -> None:
    """The reference phone takes answers."""
    app = account(store, case.get("choices", (None,)))
    for number in range(case["recorded"]):
        app.outbox.record({"reportIncident": {"id": str(number)}}, "2026-05-14T10:00:00+07:00")
    ids = {one.sequence: one.id for one in app.outbox.held("RECORDS")}
    for told in copy.deepcopy(case["told"]):
        if "pull" in told:
            app.apply(told["pull"], told.get("subjects"))
        else:
            for answer in told["push"]["answers"]:
                answer["mutationId"] = ids[answer["sequence"]]
            app.outbox.settle(told.get("lane", "RECORDS"), told["push"])
    assert [one.sequence for one in app.outbox.waiting("RECORDS")] == case["waits"]
    settled = {str(one.sequence): one.outcome for one in app.outbox.settled()}
    assert settled == case["settled"]
    assert [one.sequence for one in app.outbox.held("RECORDS")] == case["held"]
    assert [one.sequence for one in app.outbox.unseen()] == case["shown"]
    assert app.outbox.said("RECORDS") == case.get("said", app.outbox.said("RECORDS"))


def digests(vector: dict[str, Any], case: dict[str, Any], store: Store) -> None:
    """The reference phone adds up."""
    assert digest((key, rev) for key, rev in case["rows"]) == (case["count"], case["sum"])


def checkpoints(vector: dict[str, Any], case: dict[str, Any], store: Store) -> None:
    """The reference phone judges a code, and the server believes the same ones."""
    keys, point = vector["keys"], case["point"]
    points = {} if point is None else {point["id"]: point}
    assert judge(case["content"], keys, points) == case["judged"]
    code = read_code(case["content"])
    public = None if code is None else keys.get(code.kid)
    ours = bool(code and public and code.is_signed_by(urlsafe_b64decode(public + "=")))
    assert ours == (case["judged"] != "NOT_OURS")


def receipts(vector: dict[str, Any], case: dict[str, Any], store: Store) -> None:
    """By the format that the file gives, as a phone would; and as the server reads what it signed."""
    mark, _, body, _ = case["text"].split(".")
    raw = urlsafe_b64decode(body + "=" * (-len(body) % 4))
    device, officer, epoch, lane, sequence, at = struct.unpack(">16s16s16sBQQ", raw)
    assert mark == "R1"
    said = [str(UUID(bytes=one)) for one in (device, officer, epoch)]
    assert said == [case["device"], case["officer"], case["epoch"]]
    assert ("SOS", "RECORDS", "TRACKS")[lane] == case["lane"]
    assert sequence == case["sequence"]
    assert at == datetime.fromisoformat(case["at"]).timestamp() * 1000
    keys = KeySet(
        {
            kid: Key(kid, bytes.fromhex(seed), datetime(2026, 1, 1, tzinfo=UTC), None)
            for kid, seed in vector["keys"].items()
        }
    )
    read_back = receipting.read(case["text"], keys)
    assert receipting.sign(read_back, keys) == case["text"]
    assert read_back.sequence == case["sequence"]
    with pytest.raises(ReceiptInvalid):
        receipting.read(damaged(case["text"]), keys)


def proofs(vector: dict[str, Any], case: dict[str, Any], store: Store) -> None:
    """The reference phone signs the same letters, and the server takes them, for these words and no others."""
    raw = urlsafe_b64decode(vector["key"]["d"] + "=")
    key = DeviceKey(Ed25519PrivateKey.from_private_bytes(raw))
    made: dict[str, Callable[..., str]] = {
        "enrol": key.enrolment_proof,
        "refresh": key.refresh_proof,
        "surrender": key.surrender_proof,
        "wiped": key.wiped_proof,
    }
    of = case["of"]
    assert made[case["proof"]](**of) == case["text"]
    # A session is named as it is, all else by its hash.
    named = {f"{name}_sha256": sha256_text(one) for name, one in of.items() if name != "session"}
    if "session" in of:
        named["session"] = of["session"]
    server = PhoneKey.of({name: vector["key"][name] for name in ("kty", "crv", "x")})
    server.check(case["text"], case["proof"], **named)
    for name in named:
        with pytest.raises(DeviceProofInvalid):
            server.check(case["text"], case["proof"], **{**named, name: "other"})


CHECKS: dict[str, Callable[[dict[str, Any], dict[str, Any], Store], None]] = {
    "pages": pages,
    "outbox": outbox,
    "digests": digests,
    "checkpoints": checkpoints,
    "receipts": receipts,
    "proofs": proofs,
}
TOLD = {
    "pages": ("copy",),
    "outbox": ("waits", "settled", "held", "shown", "said"),
    "digests": ("count", "sum"),
    "checkpoints": ("judged",),
    "receipts": ("device", "officer", "epoch", "lane", "sequence", "at"),
    "proofs": ("text",),
}
"""What a case says of the phone: the negative control changes each."""


def cases() -> Iterator[Any]:
    for name in PHONES:
        for number, case in enumerate(read(name)["cases"]):
            yield pytest.param(name, number, id=f"{name}-{case['says'].replace(' ', '-')[:60]}")


def test_every_kind_is_replayed() -> None:
    assert {read(name)["kind"] for name in PHONES} == CHECKS.keys() == TOLD.keys()


@pytest.mark.parametrize(("name", "number"), list(cases()))
def test_the_reference_phone_does_as_it_is_written(name: str, number: int) -> None:
    vector = read(name)
    check, case = CHECKS[vector["kind"]], vector["cases"][number]
    played(check, vector, case)
    # The negative control: any other word of what is written is not true.
    for member in TOLD[vector["kind"]]:
        if member in case:
            for other in altered(case[member]):
                with pytest.raises((AssertionError, TypeError, ValueError)):
                    played(check, vector, {**case, member: other})


def played(check: Callable[..., None], vector: dict[str, Any], case: dict[str, Any]) -> None:
    store = Store()
    try:
        check(vector, case, store)
    finally:
        store.close()


def test_the_reference_phone_writes_its_clock_as_it_is_and_the_server_reads_it() -> None:
    """`times`, from the phone's side: what the clock says is recorded letter for letter, whatever it is."""
    _, push, pull = read("times")["steps"]
    rows = pull["expect"]["pull"]["incidents"]["$has"]
    store = Store()
    app = account(store)
    for one, row in zip(push["variables"]["mutations"], rows, strict=True):
        recorded = app.outbox.record({"reportIncident": {"id": "i"}}, one["capturedAt"])
        assert recorded.as_input()["capturedAt"] == one["capturedAt"] == row["capturedAtRaw"]
        arrived = datetime(2026, 5, 14, tzinfo=UTC)
        time = read_phone_time(recorded.captured_at, arrived)
        wanted = row["occurredAt"].get("$at")
        assert time.suspect is row["timeSuspect"]
        assert time.at == (arrived if wanted is None else datetime.fromisoformat(wanted))
    store.close()
