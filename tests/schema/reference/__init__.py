"""A second, naive way to answer both contracts: tables loaded whole, filtered and redacted in Python.

`answer` gives the data and, as the planner's answers are compared, each error as its code and path.
"""

from tests.schema.reference.lists import LISTS
from tests.schema.reference.partner import PartnerReference
from tests.schema.reference.phone import Reference, read_whole

__all__ = ["LISTS", "PartnerReference", "Reference", "read_whole"]
