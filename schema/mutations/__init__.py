"""How mutations run: a short way in for trusted ones, and rows in their answers that the planner reads."""

from schema.mutations.declare import Sift, planned, short_way
from schema.mutations.running import Mutations

__all__ = ["Mutations", "Sift", "planned", "short_way"]
