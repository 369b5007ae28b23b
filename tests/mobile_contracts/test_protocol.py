"""The page that phone teams build against is checked where it can be: codes, reasons, limits, lanes, steps, and the outbox."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLEnumType

from api import surrender as surrender_door
from api.graphql.http import HTTPLimits
from api.trusted import OPERATIONS
from mobile_contracts.reference import Away
from mobile_contracts.reference import line as phone_line
from mobile_contracts.reference.outbox import HELD_AT_MOST, HELD_FOR, LANE_OF
from mobile_contracts.reference.session import ENDINGS
from mobile_contracts.reference.store import Store
from patrol import errors, tracks
from patrol.sync import page, push, surrender
from patrol.sync.kinds import KINDS
from patrol.transitions import ALERT_STEPS, INCIDENT_STEPS
from schema import verify
from schema.phone import phone_door
from schema.planner.limits import Limits
from storage.vocabulary import Lane, MutationOutcome, PushKind
from tests.mobile_contracts.installation import account

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "mobile_contracts" / "protocol.md").read_text(encoding="utf-8")
SCHEMA = phone_door().schema._schema
CODES = {one.code: one for one in errors.catalogue()}


def section(title: str) -> str:
    """What stands below a heading."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    assert found is not None, title
    return found[1]


def words(text: str) -> set[str]:
    """Everything between backticks."""
    return set(re.findall(r"`([^`\n]+)`", text))


def table(text: str) -> list[list[str]]:
    """The rows of the tables of a text, without their heads."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|") and not set(line) <= set("|- ")
    ]
    return [row for row in rows if row[0] not in ("Code", "Reason", "Outcome", "What", "Lane")]


# Codes and reasons

SYNC = (
    "patrol/sync/*.py", "patrol/sos/alerts.py", "patrol/incidents.py", "patrol/patrols.py", "patrol/checkins.py",
    "patrol/duty.py", "patrol/tracks.py", "patrol/constraints.py", "patrol/faults.py", "schema/sync.py",
    "schema/push.py", "schema/verify.py", "schema/custody.py", "schema/quarantine.py", "schema/surrender.py",
    "schema/door.py", "schema/planner/*.py", "schema/mutations/*.py", "api/surrender.py", "api/json_body.py",
    "api/graphql/*.py", "patrol/identity/access_tokens.py", "patrol/identity/recognition.py",
    "patrol/identity/refresh_tokens.py", "patrol/identity/sessions.py",
)  # fmt: skip
"""Where what a phone is answered to its sync is made."""

ELSEWHERE = {
    "RECEIPT_INVALID": "the command line; a push passes over such a receipt",
    "POST_UNKNOWN": "poles, which share a module with alerts",
    "ENROLMENT_CODE_INVALID": "enrolment, which sign-in.md tells of",
}


def raised() -> set[str]:
    """The codes of all problems that those modules know by name."""
    found = set()
    for pattern in SYNC:
        paths = list(ROOT.glob(pattern))
        assert paths, pattern
        for path in paths:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module == "patrol.errors":
                    kinds = [getattr(errors, one.name) for one in node.names]
                    found |= {one.code for one in kinds if hasattr(one, "code")}
    return found - {"PROBLEM"}


def test_every_code_that_sync_can_answer_has_its_place_among_the_errors() -> None:
    told = words(section("Errors"))
    assert raised() - told - ELSEWHERE.keys() == set()
    # The negative control: the list of modules finds codes at all.
    assert {"FIELD_CONFLICT", "OPERATION_TOO_COSTLY", "DEVICE_PROOF_INVALID"} <= raised()


def test_every_code_of_the_tables_is_one_and_its_status_fits_what_the_phone_does() -> None:
    first, second = section("Errors").split("**In answers**")
    for row in table(first):
        for code in words(row[0]):
            assert code in CODES, code
            later = "later" in row[2].split(",")[0]
            assert later == (CODES[code].http_status >= 500), code
    outcomes = {one.value for one in MutationOutcome}
    for code, outcome, _ in table(second):
        assert words(code) <= CODES.keys()
        assert words(outcome) <= outcomes


def test_what_the_page_shouts_exists() -> None:
    """Every word in capitals is a code, a value of an enum of the contract, a reason of a reset, or one of the few others."""
    known = set(CODES) | resets() | set(PushKind) | {"REPLAYED"}
    for kind in SCHEMA.type_map.values():
        if isinstance(kind, GraphQLEnumType):
            known |= set(kind.values)
    shouted = {word for word in words(PAGE) if re.fullmatch(r"[A-Z][A-Z_]{2,}", word)}
    assert len(shouted) > 50
    assert shouted - known == set()


def resets() -> set[str]:
    found = set()
    for path in ROOT.glob("patrol/sync/*.py"):
        found |= set(re.findall(r'CursorRefused\("(\w+)"\)', path.read_text(encoding="utf-8")))
    return found


def test_every_reset_and_removal_has_its_reason_on_the_page() -> None:
    pull = section("Pull")
    told = {next(iter(words(row[0]))) for row in table(pull)}
    assert told == resets()
    reasons: Any = SCHEMA.type_map["RemovalReason"]
    assert set(reasons.values) <= words(pull)


def test_every_outcome_is_explained_in_push() -> None:
    told = [next(iter(words(row[0]))) for row in table(section("Push"))]
    assert sorted(told) == sorted(one.value for one in MutationOutcome)


def test_what_the_phone_takes_for_later_is_what_the_page_says() -> None:
    later = {code for code, one in CODES.items() if one.http_status >= 500}
    told = next(words(row[0]) for row in table(section("Errors")) if "RETRY_LATER" in row[0])
    assert told == later
    assert later <= phone_line.LATER
    [ended] = [row for row in table(section("Errors")) if "REFRESH_TOKEN_REUSED" in row[0]]
    assert words(ended[0]) | {"DEVICE_WIPE"} == ENDINGS


# Messages


def test_every_operation_of_sync_exists_and_its_variables_are_named() -> None:
    operations = {path.stem for path in OPERATIONS.glob("*.graphql")}
    named = {
        next(iter(words(row[0]))) for row in table(section("Messages")) if row[0] != "Operation"
    }
    assert named <= operations
    for name, title in (("Push", "Push"), ("Pull", "Pull")):
        text = (OPERATIONS / f"{name}.graphql").read_text(encoding="utf-8")
        variables = set(re.findall(r"\$(\w+):", text))
        call = next(word for word in words(section(title)) if word.startswith(f"{name}("))
        assert set(re.findall(r"\$(\w+)", call)) == variables


@pytest.mark.parametrize(
    "name", ["PullPage", "PushResult", "MutationAnswer", "SyncDigest", "LaneState"]
)
def test_every_member_of_an_answer_is_on_the_page(name: str) -> None:
    kind: Any = SCHEMA.type_map[name]
    lists: Any = SCHEMA.type_map["SyncSubject"]
    text = " ".join(words(PAGE))
    members = set(kind.fields) - set(lists.values) - {"lane", "subject", "id"}
    assert {one for one in members if not re.search(rf"\b{one}\b", text)} == set()


def test_every_change_stands_in_its_lane() -> None:
    told = {
        change: lane
        for row in table(section("The outbox"))
        for lane in words(row[0])
        for change in words(row[1])
    }
    lanes = {camel(name): kind.lane.value for name, kind in KINDS.items()}
    assert told == lanes
    assert {change: lane for change, lane in told.items() if change in LANE_OF} == LANE_OF
    assert set(told.values()) == {one.value for one in Lane}


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def steps(text: str) -> dict[str, set[str]]:
    """`A → B | C` in a text."""
    return {
        before: set(after.split(" | "))
        for before, after in re.findall(r"`([A-Z_]+) → ([A-Z_ |]+)`", text)
    }


def test_the_steps_of_the_page_are_those_of_the_rules() -> None:
    told = steps(section("Push").split("**An alert**")[0])
    assert told == allowed(INCIDENT_STEPS)
    assert steps(section("Push").split("**An alert**")[1]) == allowed(ALERT_STEPS)


def allowed(rules: Any) -> dict[str, set[str]]:
    known: dict[StrEnum, frozenset[StrEnum]] = dict(rules)
    return {before.value: {one.value for one in after} for before, after in known.items() if after}


# Limits

LIMITS = Limits()
KIB, MIB = 1024, 1024 * 1024
TRUE_LIMITS: dict[str, list[int]] = {
    "mutations in a push": [push.BATCH],
    "mutations that are stored together": [push.CHUNK],
    "rows in a page of a pull": [page.PAGE_ROWS],
    "bytes of rows in a page of a pull": [page.LEAST_BYTES, page.MOST_BYTES, page.PAGE_BYTES],
    "parts to check or repair in a pull": [verify.RANGES, verify.HELD],
    "digits of a suffix": [7, 8],
    "points in a `recordTrack`": [tracks.POINTS],
    "mutations, and bytes, handed in at once by a revoked phone": [surrender.BATCH, surrender_door.LARGEST],
    "what waits in quarantine of an officer on a revoked phone": [surrender.ROOM_ITEMS, surrender.ROOM_BYTES],
    "rows in a page of a list": [200, 500],
    "body of a request": [HTTPLimits().body_bytes],
    "text of an operation": [LIMITS.source_bytes, LIMITS.tokens, LIMITS.fields, LIMITS.depth],
}  # fmt: skip


def numbers(text: str) -> list[int]:
    """The numbers of a text, in bytes where it says KiB or MiB."""
    found = re.findall(r"(\d[\d,]*)(?: (KiB|MiB))?", text)
    return [
        int(one.replace(",", "")) * {"": 1, "KiB": KIB, "MiB": MIB}[unit] for one, unit in found
    ]


def test_every_limit_of_the_page_is_the_one_that_is_kept() -> None:
    assert {row[0]: numbers(row[1]) for row in table(section("Limits"))} == TRUE_LIMITS


def test_what_a_phone_may_let_go_of_is_what_the_reference_phone_does() -> None:
    assert f"hold {HELD_FOR.days} days" in PAGE
    assert f"{HELD_AT_MOST:,} in a" in PAGE


# The outbox

EPOCHS = ("018f3a00-0000-7000-8000-00000000000e", "018f3a00-0000-7000-8000-00000000000f")
ANSWERED, LATER = "2026-05-14T03:00:00Z", "2026-05-14T04:00:00Z"


class Lab:
    """One mutation of the reference phone, in one state or the other."""

    def __init__(self) -> None:
        self.store = Store()
        self.app = account(self.store)
        self.sent: Any = None

    def state(self) -> str:
        """Where the mutation is."""
        if self.sent is None or not self.app.outbox.held("RECORDS"):
            return "[*]"
        return "waiting" if self.app.outbox.waiting("RECORDS") else "settled"

    def record(self) -> None:
        self.sent = self.app.outbox.record({"reportIncident": {"id": "i"}}, ANSWERED)

    def answer(self, outcome: str, **more: Any) -> None:
        told = {
            "sequence": 1, "mutationId": self.sent.id, "outcome": outcome, "code": None, "rev": None,
            "first": "APPLIED" if outcome == "DUPLICATE" else None, "expected": 1 if outcome == "GAP" else None,
        }  # fmt: skip
        self.app.outbox.settle(
            "RECORDS",
            {
                "answers": [told], "appliedSequence": 0, "epoch": EPOCHS[0], "durableThrough": None,
                "serverTime": ANSWERED, "receipt": None,
            } | more,
        )  # fmt: skip

    def pull(self, **more: Any) -> None:
        self.app.apply(
            {
                "serverTime": LATER, "epoch": EPOCHS[0], "durableThrough": None, "cursor": "c", "complete": True,
                "reset": None, "resetSubjects": [], "scopes": [], "revokedScopes": [], "digests": None,
                "repaired": None, "removals": [],
                "lanes": [{"lane": "RECORDS", "appliedSequence": 1, "receipt": None}],
            } | more
        )  # fmt: skip

    def do(self, what: str) -> None:
        """What stands at an arrow of the diagram."""
        others: dict[str, Callable[[], None]] = {
            "recorded": self.record,
            "no answer": lambda: None,
            "handed in": lambda: self.app.outbox.handed_in([self.sent]),
            "a new epoch": lambda: self.pull(epoch=EPOCHS[1], lanes=[]),
            "in the copy": self.pull,
            "in the copy and durable": lambda: self.pull(durableThrough=LATER),
        }
        others.get(what, lambda: self.answer(what))()


def arrows() -> list[tuple[str, str, str]]:
    drawn = re.search(r"```mermaid\nstateDiagram-v2\n(.*?)```", section("The outbox"), re.S)
    assert drawn is not None
    return re.findall(r"^ +(\S+) --> (\S+): (.+)$", drawn[1], re.M)


@pytest.mark.parametrize(("before", "after", "what"), arrows())
def test_each_arrow_of_the_outbox_is_what_the_reference_phone_does(
    before: str, after: str, what: str
) -> None:
    lab = Lab()
    for step in {"[*]": [], "waiting": ["recorded"], "settled": ["recorded", "APPLIED"]}[before]:
        lab.do(step)
    assert lab.state() == before
    lab.do(what)
    assert lab.state() == after
    lab.store.close()


def test_no_arrow_is_missing() -> None:
    """Whatever happens in a state that no arrow leaves by changes nothing."""
    drawn = {(before, what) for before, _, what in arrows()}
    every = {what for _, what in drawn} - {"recorded"}
    assert {one.value for one in MutationOutcome} <= every
    for before, begin in (("waiting", ["recorded"]), ("settled", ["recorded", "APPLIED"])):
        for what in every:
            if (before, what) not in drawn:
                lab = Lab()
                for step in begin:
                    lab.do(step)
                lab.do(what)
                assert lab.state() == before, (before, what)
                lab.store.close()


@pytest.mark.parametrize(("epoch", "counted"), [(None, False), (EPOCHS[0], True)])
async def test_a_phone_counts_on_only_from_an_answer_that_could_ask(
    epoch: str | None, counted: bool
) -> None:
    """A push while the database is away says `appliedSequence` 0 and no epoch: it is not where the lane stands."""
    assert "Where `epoch` is null" in " ".join(section("Push").split())
    store = Store()
    app = account(store)
    app.session.access_token, app.session.access_ends = "token", float("inf")
    app.outbox.record({"reportIncident": {"id": "i"}}, ANSWERED)
    app.line = Asked(epoch)
    with pytest.raises(Away) if not counted else nullcontext():
        await app.push("RECORDS")
    assert app.outbox.known("RECORDS") == counted
    store.close()


class Asked:
    """A server that answers every push as if it could ask nothing, or as one that has nothing yet."""

    def __init__(self, epoch: str | None) -> None:
        self.epoch = epoch

    async def post(
        self, path: str, body: dict[str, Any], *, token: str | None = None
    ) -> dict[str, Any]:
        answers = [
            {**one, "outcome": "APPLIED", "code": None, "rev": 1, "first": None, "expected": None}
            for one in body["variables"]["mutations"]
        ]
        told = {
            "answers": answers, "appliedSequence": len(answers), "epoch": self.epoch, "durableThrough": None,
            "serverTime": ANSWERED, "receipt": None,
        }  # fmt: skip
        return {"data": {"push": told}}


# Links


def test_every_link_of_the_pages_leads_somewhere() -> None:
    for name in ("protocol.md", "README.md", "vectors/README.md"):
        path = ROOT / "mobile_contracts" / name
        for link in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
            if "://" not in link:
                assert (path.parent / link).exists(), (name, link)
