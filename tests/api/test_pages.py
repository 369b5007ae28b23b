"""The pages that follow from the code are current, and the hand-written ones say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli.app import app
from api.cli.exits import Exit
from api.pages import errors_page, pages, settings_page, write_pages
from api.settings import Settings
from patrol.errors import GROUPS, catalogue

ROOT = Path(__file__).parent.parent.parent


def test_the_page_of_errors_is_current_and_names_every_code() -> None:
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert page == errors_page(), "run: patrol schema export"
    for problem in catalogue():
        assert (f"| `{problem.code}`" in page) is (problem not in GROUPS)


def test_the_page_of_settings_is_current_and_describes_every_setting() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert page == settings_page(), "run: patrol schema export"
    for name, field in Settings.model_fields.items():
        assert f"| `PATROL_{name.upper()}`" in page
        assert field.description
        assert field.description.endswith((".", ";", "url.")), name


def test_export_writes_what_pages_say(tmp_path: Path) -> None:
    written = {str(path.relative_to(tmp_path)): path.read_text() for path in write_pages(tmp_path)}
    assert written == pages()
    assert "docs/errors.md" in written


def commands() -> set[str]:
    """Every command that the operations page shows, without its arguments."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    shown = re.findall(r"(?:`|^)patrol ([a-z][a-z -]*[a-z])", text, re.MULTILINE)
    return {" ".join(words.split(" --")[0].split()) for words in shown}


@pytest.mark.parametrize("command", sorted(commands()))
def test_every_command_of_the_operations_page_exists(command: str) -> None:
    assert CliRunner().invoke(app, [*command.split(), "--help"]).exit_code == 0


def test_the_operations_page_has_every_exit_code() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert {int(code) for code in re.findall(r"^\| (\d+) +\|", text, re.MULTILINE)} == set(Exit)
