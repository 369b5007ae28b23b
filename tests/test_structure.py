"""The house must stay as it was planned: one direction, small modules that say why they exist, contracts as committed."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from graphql import build_schema, lexicographic_sort_schema, print_schema
from importlinter.application import use_cases
from importlinter.cli import lint_imports

from api.pages import pages
from api.trusted import OPERATIONS
from schema.planner.limits import Limits

ROOT = Path(__file__).parent.parent
ROOMS = ("api", "schema", "patrol", "storage")
MODULES = sorted(
    path for room in (*ROOMS, "alembic", "tests", "bench") for path in (ROOT / room).rglob("*.py")
)
LONGEST = 400

MAY_BE_LONG = {
    "alembic/versions/0001_tables.py": "written from the models by Alembic",
    "patrol/errors.py": "the one catalogue of errors, which is read as a list",
    "storage/vocabulary.py": "the one list of words, which is read as a list",
}
"""Modules that may be longer, with the reason."""


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_imports_go_one_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0, capsys.readouterr().out


def test_the_linter_knows_the_contracts_of_the_rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    """A negative control: without contracts it would hold as well."""
    monkeypatch.chdir(ROOT)
    options = use_cases.read_user_options()
    layers = [one for one in options.contracts_options if one["type"] == "layers"]
    assert [one["layers"] for one in layers] == [list(ROOMS)]
    assert {
        room for one in options.contracts_options for room in one.get("source_modules", ())
    } == {"patrol", "storage"}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_says_in_one_sentence_why_it_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith('"""'), "the first line is the docstring"
    told = (ast.get_docstring(ast.parse(text)) or "").split("\n\n")[0]
    assert re.fullmatch(r"[\"'\w`].*[.:]", told, re.DOTALL), "the docstring begins with a sentence"
    assert len(told.splitlines()) <= 2, "the sentence is short"


@pytest.mark.parametrize(
    "path",
    [one for one in MODULES if name(one).startswith(ROOMS) and name(one) not in MAY_BE_LONG],
    ids=name,
)
def test_a_module_of_the_product_is_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_only_what_has_a_reason_is_long() -> None:
    long = {name(one) for one in MODULES if len(one.read_text().splitlines()) > LONGEST}
    assert {one for one in long if not one.startswith("tests/")} <= set(MAY_BE_LONG)


@pytest.mark.parametrize("path", [one for one in MODULES if name(one).startswith(ROOMS)], ids=name)
def test_every_ignore_has_its_reason(path: Path) -> None:
    bare = re.compile(r"#\s*(noqa(:[ A-Z0-9,]+)?|type: ignore(\[[^\]]*\])?)\s*$")
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line.strip() for line in lines if bare.search(line)] == []


CONTRACTS = {path: text for path, text in pages().items() if path.endswith(".graphql")}


@pytest.mark.parametrize("path", CONTRACTS)
def test_a_committed_contract_is_that_of_the_code(path: str) -> None:
    stored = ROOT / path
    assert stored.exists(), "run: patrol schema export"
    assert stored.read_text(encoding="utf-8") == CONTRACTS[path], "run: patrol schema export"


@pytest.mark.parametrize("path", CONTRACTS)
def test_a_contract_is_sorted_and_stands_by_itself(path: str) -> None:
    schema = build_schema(CONTRACTS[path])
    assert print_schema(schema) == print_schema(lexicographic_sort_schema(schema))


def test_there_is_a_contract_for_each_door() -> None:
    assert {Path(path).stem for path in CONTRACTS} == {"phone", "partner", "admin"}
    assert OPERATIONS == ROOT / "mobile_contracts" / "operations"


def test_the_protocol_names_the_limits_that_operations_are_held_to() -> None:
    limits = Limits()
    told = (ROOT / "mobile_contracts" / "protocol.md").read_text(encoding="utf-8")
    [row] = [line for line in told.splitlines() if line.startswith("| text of an operation |")]
    assert row.split("|")[2].strip() == (
        f"{limits.source_bytes // 1024} KiB, {limits.tokens:,} tokens, {limits.fields:,} fields, {limits.depth} levels"
    )
