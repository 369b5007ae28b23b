"""Turns GraphQL reads into a few SQL statements, because the stock executor spends its time on everything else."""

from schema.planner.arguments import converter
from schema.planner.check import check
from schema.planner.operation import Operation, Operations, RequestErrors, operation_id
from schema.planner.reads import (
    Columns,
    Conditions,
    Order,
    Reading,
    all_scopes,
    column,
    composed,
    computed,
    many,
    one,
    own_scopes,
    page,
    reads,
    single,
)
from schema.planner.select import PlanError, Selection

__all__ = [
    "Columns",
    "Conditions",
    "Operation",
    "Operations",
    "Order",
    "PlanError",
    "Reading",
    "RequestErrors",
    "Selection",
    "all_scopes",
    "check",
    "column",
    "composed",
    "computed",
    "converter",
    "many",
    "one",
    "operation_id",
    "own_scopes",
    "page",
    "reads",
    "single",
]
