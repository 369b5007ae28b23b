"""What the floor and the stock server take from the product, because it is no part of what is compared."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from graphql import FieldNode, OperationDefinitionNode, parse

from patrol.keys import KeySet, load
from storage.buckets import Bucket, ObjectStore
from storage.database import Database
from storage.principal import Role, system


@dataclass(frozen=True)
class Links:
    """Signed links, as the product signs them."""

    store: ObjectStore
    seconds: int

    def __call__(self, bucket: str, key: str | None) -> str | None:
        if key is None:
            return None
        return self.store.steady_link(Bucket(bucket), key, lasting=timedelta(seconds=self.seconds))


async def signing_keys(url: str, secret: str) -> KeySet:
    """The keys of the installation."""
    database = await Database.connect(url, size=2)
    try:
        async with database.write(system("keys"), Role.SYSTEM) as connection:
            return await load(connection, secret)
    finally:
        await database.close()


def empty_lists(text: str, *, but: str) -> dict[str, list[Any]]:
    """Every list that an operation asks of its only root field, empty, so that new subjects need no change here."""
    operation = parse(text).definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    root = operation.selection_set.selections[0]
    assert isinstance(root, FieldNode)
    assert root.selection_set is not None
    names = [
        one.name.value
        for one in root.selection_set.selections
        if isinstance(one, FieldNode) and one.selection_set
    ]
    return {name: [] for name in (*names, "revokedScopes", "resetSubjects") if name != but}
