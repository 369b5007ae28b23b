"""Replays the transcripts of `mobile_contracts/vectors`, as their README says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from uuid_utils.compat import uuid7

VECTORS = Path(__file__).parent.parent.parent / "mobile_contracts" / "vectors"

_KINDS: dict[str, type | str] = {
    "uuid": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
    "receipt": r"R1\.[\w-]+\.[\w-]{87}\.[\w-]{22}",
    "text": str,
    "boolean": bool,
    "list": list,
    "number": int,
}
"""What `$a` may ask for: a kind of JSON value, or a text of a form."""


def read(name: str) -> dict[str, Any]:
    """One file."""
    vector: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    return vector


def is_a(kind: str, value: Any) -> bool:
    """Whether a value is of a kind."""
    wanted = _KINDS[kind]
    if isinstance(wanted, str):
        return isinstance(value, str) and re.fullmatch(wanted, value, re.ASCII) is not None
    return isinstance(value, wanted) and not (wanted is int and isinstance(value, bool))


@dataclass
class Names:
    """What a transcript has named so far."""

    known: dict[str, Any]
    ids: dict[str, str] = field(default_factory=dict)

    def fill(self, value: Any) -> Any:
        """A request with its names replaced."""
        if isinstance(value, list):
            return [self.fill(one) for one in value]
        match value:
            case {"$id": str(name)}:
                return self.ids.setdefault(name, str(uuid7()))
            case {"$is": str(name)}:
                return self.known[name]
            case {"$damaged": str(name)}:
                return damaged(self.known[name])
            case {"$times": int(times), "of": one}:
                return [self.fill(one) for _ in range(times)]
            case {"$json": inner}:
                return json.dumps(self.fill(inner), ensure_ascii=False)
            case dict():
                return {name: self.fill(one) for name, one in value.items()}
        return value

    def differ(self, pattern: Any, found: Any, where: str = "answer") -> str | None:
        """Where an answer is not what the pattern says; None if it is."""
        match pattern:
            case {"$keep": str(name)}:
                self.known[name] = found
                return None
            case {"$a": str(kind)}:
                fits = is_a(kind, found)
            case {"$at": str(time)}:
                fits = is_a("time", found) and datetime.fromisoformat(
                    found
                ) == datetime.fromisoformat(time)
            case {"$has": [*wanted]}:
                fits = all(any(self.differ(one, each) is None for each in found) for one in wanted)
            case {"$set": [*wanted]}:
                fits = len(found) == len(wanted) and self.differ({"$has": wanted}, found) is None
            case {"$id": _} | {"$is": _}:
                fits = found == self.fill(pattern)
            case dict() if isinstance(found, dict):
                parts = [(one, found.get(name), f"{where}.{name}") for name, one in pattern.items()]
                return next(filter(None, (self.differ(*part) for part in parts)), None)
            case list() if isinstance(found, list) and len(found) == len(pattern):
                members = enumerate(zip(pattern, found, strict=True))
                told = (self.differ(*two, f"{where}[{place}]") for place, two in members)
                return next(filter(None, told), None)
            case _:
                fits = found == pattern and type(found) is type(pattern)
        return None if fits else f"{where} is {found!r}, not {self.fill(pattern)!r}"


def damaged(text: str) -> str:
    """A signed text of which somebody has changed one character in the middle."""
    middle = len(text) // 2
    return f"{text[:middle]}{'B' if text[middle] == 'A' else 'A'}{text[middle + 1 :]}"


def altered(pattern: Any) -> Iterator[Any]:
    """The pattern with one thing changed, for each thing that can be: an answer that fits it fits none of these."""
    match pattern:
        case {"$keep": _}:
            return
        case {"$a": kind}:
            for other, form in _KINDS.items():
                # What may be any text may also have a form; forms exclude each other.
                if other != kind and isinstance(form, str) and kind != "text":
                    yield {"$a": other}
            yield None
        case {"$at": str(time)}:
            yield {"$at": f"1996{time[4:]}"}
        case {"$has": [*wanted]} | {"$set": [*wanted]}:
            [name] = pattern
            for place, one in enumerate(wanted):
                for other in altered(one):
                    yield {name: [*wanted[:place], other, *wanted[place + 1 :]]}
        case {"$id": _} | {"$is": _}:
            yield str(UUID(int=1))
        case dict():
            for name, one in pattern.items():
                for other in altered(one):
                    yield {**pattern, name: other}
        case list():
            for place, one in enumerate(pattern):
                for other in altered(one):
                    yield [*pattern[:place], other, *pattern[place + 1 :]]
            yield [*pattern, None]
        case bool():
            yield not pattern
        case int() | float():
            yield pattern + 1
        case str():
            yield f"{pattern}?"
        case None:
            yield "something"


class Player(Protocol):
    """What replays an exchange: it asks a server, does something to it, and has a phone that applies pages."""

    async def ask(self, who: str, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        """The whole answer to an operation of the app."""
        ...

    async def post(self, step: dict[str, Any], names: Names) -> dict[str, Any]:
        """The status and body of an answer to a step that is no operation."""
        ...

    async def happens(self, event: dict[str, Any], names: Names) -> None:
        """Does to the server what an event says."""
        ...

    def apply(self, page: dict[str, Any], subjects: list[str] | None) -> dict[str, set[str]]:
        """Has the phone apply a page; the ids of its copy by list. It must fit the page's digests."""
        ...


@dataclass(frozen=True)
class Compared:
    """A pattern that was compared with what was found, so that a control can see whether another one would fit too."""

    says: str
    pattern: Any
    found: Any
    names: Names


async def exchange(vector: dict[str, Any], player: Player, known: dict[str, Any]) -> list[Compared]:
    """Replays an exchange to its end; everything that was compared."""
    names = Names(dict(known))
    compared: list[Compared] = []

    def compare(step: dict[str, Any], pattern: Any, found: Any) -> None:
        compared.append(Compared(step["says"], pattern, found, deepcopy(names)))
        differs = names.differ(pattern, found)
        assert differs is None, f"{step['says']} {differs}"

    for step in vector["steps"]:
        if "happens" in step:
            await player.happens(step["happens"], names)
            continue
        if "path" in step:
            compare(step, step["expect"], await player.post(step, names))
            continue
        variables = names.fill(step["variables"])
        answer = await player.ask(step["as"], step["operation"], variables)
        if "errors" in step:
            compare(step, step["errors"], answer.get("errors"))
            continue
        assert "errors" not in answer, (step["says"], answer["errors"])
        compare(step, step["expect"], answer["data"])
        if "copy" in step:
            copy = player.apply(answer["data"]["pull"], variables.get("subjects"))
            found = {name: sorted(copy.get(name, ())) for name in step["copy"]}
            wanted = {name: sorted(names.fill(ids)) for name, ids in step["copy"].items()}
            compare(step, wanted, found)
    return compared
