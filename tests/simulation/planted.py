"""Faults that the simulation must find within a few seeds, each as somebody could well have written it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import patrol.sync.pull
import schema.sync
from mobile_contracts.reference.copy import Copy
from mobile_contracts.reference.outbox import Outbox
from patrol.sync.push import _Chunk
from tests.simulation.server import PUSH, Server, texts

Plant = Callable[[pytest.MonkeyPatch], None]


def _rewritten(module: ModuleType, was: str, becomes: str) -> dict[str, Any]:
    """A module with one line of it written otherwise."""
    source = inspect.getsource(module)
    assert source.count(was) == 1, f"{module.__name__} has changed: plant the fault anew"
    names = {"__name__": f"{module.__name__}_planted", "__file__": module.__file__}
    # Dataclasses look their module up.
    planted = ModuleType(names["__name__"] or "")
    planted.__dict__.update(names)
    exec(compile(source.replace(was, becomes), "planted", "exec"), planted.__dict__)  # noqa: S102  # our own source
    return planted.__dict__


def _pull(monkeypatch: pytest.MonkeyPatch, was: str, becomes: str) -> None:
    import sys

    name = f"{patrol.sync.pull.__name__}_planted"
    monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(schema.sync, "Pull", _rewritten(patrol.sync.pull, was, becomes)["Pull"])


def cursor_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """`seq > c`: whatever has a lower number than the newest is taken for seen, also what is not committed yet."""
    _pull(
        monkeypatch,
        'now, epoch = state["snapshot"], state["epoch"]',
        'epoch = state["epoch"]; now = "{0}:{0}:".format(state["snapshot"].split(":")[1])',
    )


def no_closing_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cursor that a walk ends with is of its end, and nobody looks what changed on the way."""
    _pull(
        monkeypatch,
        "finished = Done(walk.until, walk.scopes, walk.shapes)",
        "finished = Done(now, walk.scopes, walk.shapes)",
    )


def cursor_is_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """`updated_at > c`: of what is new, rows are left out whose time is not after the newest that was given before.

    Only where the phone goes on from a complete copy of the same scopes and shapes, so that fills stay as they are.
    """
    answer = Server.answer
    seen: dict[tuple[str, str], tuple[str, bool, str]] = {}

    async def naive(self: Server, body: dict[str, Any], token: str) -> dict[str, Any]:
        told = await answer(self, body, token)
        text, variables = texts()[body["documentId"]], body["variables"]
        if text == PUSH or not told.get("data"):
            return told
        page = told["data"]["pull"]
        key = (token, str(variables.get("subjects")))
        made_under = f"{page['scopes']} {body['documentId']}"
        newest, complete, before = seen.get(key, ("", False, ""))
        goes_on = complete and before == made_under and variables["cursor"] and not page["reset"]
        lists = [name for name, rows in page.items() if _is_list_of_rows(rows)]
        if goes_on and not variables.get("repair"):
            for name in lists:
                page[name] = [row for row in page[name] if row["updatedAt"] > newest]
        times = [row["updatedAt"] for name in lists for row in page[name]]
        seen[key] = (max([newest, *times]), page["complete"], made_under)
        return told

    monkeypatch.setattr(Server, "answer", naive)


def _is_list_of_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and "updatedAt" in value[0]


def nothing_is_quarantined(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused is told to the phone, and kept by nobody."""

    async def keep(self: Any, refused: Any) -> None:
        return None

    monkeypatch.setattr(_Chunk, "_keep", keep)


def phone_forgets_what_was_revoked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A phone that keeps the rows of scopes that were taken from its officer."""
    apply = Copy.apply
    monkeypatch.setattr(
        Copy,
        "apply",
        lambda self, page, subjects=None, **more: apply(
            self, {**page, "revokedScopes": []}, subjects, **more
        ),
    )


def phone_drops_what_it_has_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A phone that counts a change as settled when it goes out, and not when the answer is there."""
    next_batch = Outbox.next_batch

    def impatient(self: Outbox, lane: str, most_bytes: int) -> Any:
        batch = next_batch(self, lane, most_bytes)
        for one in batch:
            self.store.db.execute(
                "update mutation set waiting = 0, outcome = 'APPLIED', answered_at = '2026-01-01T00:00:00Z' where id = ?",
                (one.id,),
            )
        return batch

    monkeypatch.setattr(Outbox, "next_batch", impatient)


def phone_lets_go_of_what_was_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A phone that deletes what the server has acknowledged, and does not wait for a backup that has it."""
    let_go = Outbox._let_go

    def at_once(self: Outbox, durable_through: str | None, server_time: str) -> None:
        let_go(self, server_time, server_time)

    monkeypatch.setattr(Outbox, "_let_go", at_once)


def phone_offers_nothing_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A phone that holds what it should, and takes no notice of a new epoch."""

    def ignore(self: Outbox, lane: str, epoch: str) -> None:
        return None

    monkeypatch.setattr(Outbox, "_heed_epoch", ignore)


FAULTS: tuple[Plant, ...] = (
    cursor_is_a_number,
    cursor_is_a_time,
    no_closing_difference,
    nothing_is_quarantined,
    phone_forgets_what_was_revoked,
    phone_drops_what_it_has_sent,
)

IN_DISASTERS: tuple[Plant, ...] = (
    phone_lets_go_of_what_was_answered,
    phone_offers_nothing_again,
    phone_drops_what_it_has_sent,
    nothing_is_quarantined,
)
"""Those that a restore shows, or shows as well."""

BY_NAME = {plant.__name__: plant for plant in (*FAULTS, *IN_DISASTERS)}
