"""The operations that the phone app was released with; in production the phone door runs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from schema.planner import operation_id

OPERATIONS = Path(__file__).resolve().parent.parent / "mobile_contracts" / "operations"

__all__ = ["OPERATIONS", "OperationsMissing", "operation_id", "trusted_operations"]


class OperationsMissing(Exception):
    """The installation lacks the operations of the phone app."""


@cache
def trusted_operations(directory: Path = OPERATIONS) -> Mapping[str, str]:
    """The texts of the trusted operations by id. Released texts stay, so that older apps keep working.

    Raises:
        OperationsMissing: there are none, and the phone door would refuse every operation.
    """
    texts = [path.read_text(encoding="utf-8") for path in sorted(directory.rglob("*.graphql"))]
    if not texts:
        raise OperationsMissing(
            f"There are no trusted operations in {directory}. Install from a checkout, with `pip install -e .`."
        )
    return {operation_id(text): text for text in texts}
