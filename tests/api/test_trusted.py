"""An installation without the app's operations must say so at its start, and not refuse every phone."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.cli.exits import Exit, code_of
from api.trusted import OperationsMissing, operation_id, trusted_operations


def test_a_directory_without_operations_is_a_plain_error(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(OperationsMissing, match="pip install -e") as missing:
            trusted_operations(directory)
        assert code_of(missing.value) is Exit.SETTINGS


def test_operations_are_known_by_their_hash(tmp_path: Path) -> None:
    (tmp_path / "Me.graphql").write_text("query Me { me { id } }")
    text = "query Me { me { id } }"
    assert trusted_operations(tmp_path) == {operation_id(text): text}
