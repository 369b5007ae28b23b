"""The catalogue of errors must be one that a client can build on: stable, complete, and nothing in it unused."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from patrol import errors
from patrol.errors import GROUPS, Problem, catalogue
from schema.enums import ErrorCode
from storage.faults import StorageFault

ROOT = Path(__file__).parent.parent
ROOMS = ("api", "schema", "patrol", "storage")
PROBLEMS = sorted(catalogue(), key=lambda problem: problem.code)


def sources() -> list[ast.Module]:
    """Every module of the rooms but the catalogue."""
    paths = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    return [
        ast.parse(path.read_text(encoding="utf-8"))
        for path in paths
        if path != Path(errors.__file__)
    ]


def named(tree: ast.AST) -> set[str]:
    """What a tree reads by name; an import alone is no use."""
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return names | {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_each_code_is_there_once() -> None:
    assert [
        code for code, times in Counter(problem.code for problem in PROBLEMS).items() if times > 1
    ] == []


def test_every_problem_is_declared_in_the_catalogue() -> None:
    """A class elsewhere would be a code or not, depending on what was imported first."""
    assert {problem.__module__ for problem in PROBLEMS} == {errors.__name__}


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.code)
def test_an_entry_has_a_code_a_sentence_and_a_next_step(problem: type[Problem]) -> None:
    assert re.fullmatch(r"[A-Z]+(_[A-Z]+)*", problem.code)
    message = problem.default_message()
    assert message == (problem.__doc__ or "").strip(), (
        "the docstring is the message, so it is one line"
    )
    assert ". " not in message, "one sentence"
    for text in (message, problem.what_to_do):
        assert re.fullmatch(r"[A-Z].*\.", text), text
        assert "  " not in text
    assert 400 <= problem.http_status <= 599
    assert problem().as_extensions() == {"code": problem.code, "whatToDo": problem.what_to_do}


def test_every_code_is_used() -> None:
    used = set().union(*(named(tree) for tree in sources()))
    unused = {problem.code for problem in PROBLEMS if not {problem.__name__, problem.code} & used}
    assert unused - {group.code for group in GROUPS} == set()


def test_groups_are_never_raised() -> None:
    """Nor made: some problems are handed on before somebody raises or tells them."""
    made: set[str] = set()
    for tree in sources():
        for node in ast.walk(tree):
            exc = node.exc if isinstance(node, ast.Raise) else node
            called = exc.func if isinstance(exc, ast.Call) else exc
            if isinstance(node, ast.Raise | ast.Call) and isinstance(called, ast.Name):
                made.add(called.id)
    assert made & {group.__name__ for group in GROUPS} == set()
    # Negative controls: one of each way that is found, raised as a class, raised anew and made elsewhere.
    assert {"OperationUnknown", "PageSizeInvalid", "NotGranted"} <= made


def test_the_contracts_know_every_code_that_is_told() -> None:
    assert {one.value for one in ErrorCode} == {
        problem.code for problem in PROBLEMS if problem not in GROUPS
    }


def test_by_code_finds_the_class() -> None:
    assert all(errors.by_code(problem.code) is problem for problem in PROBLEMS)
    with pytest.raises(KeyError):
        errors.by_code("NOTHING")


@pytest.mark.parametrize("fault", StorageFault.__subclasses__(), ids=lambda fault: fault.__name__)
def test_a_fault_of_storage_has_a_sentence(fault: type[StorageFault]) -> None:
    assert re.fullmatch(r"[A-Z][^\n]*\.", fault().message)
