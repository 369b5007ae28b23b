"""What a resolver may use, typed: who asks, the database, and the adapters that were handed in."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from storage.database import Database
from storage.principal import Principal

if TYPE_CHECKING:
    from patrol.keys import KeySet
    from patrol.notify import Teller
    from storage.buckets import ObjectStore


class Links(Protocol):
    """Makes a signed link to an object; local work, no network."""

    def __call__(self, bucket: str, key: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Change:
    """What a poke says: these scopes, subjects and alerts have changed. The data comes by pull."""

    scope_ids: tuple[UUID, ...]
    subjects: tuple[str, ...]
    alert_ids: tuple[UUID, ...]


class Live(Protocol):
    """Tells other phones that something changed."""

    def poke(
        self, scopes: Iterable[UUID], subjects: Iterable[str], alerts: Iterable[UUID] = ()
    ) -> None:
        """Says, after commit, that scopes have changed; returns at once."""
        ...

    def changes(self, scopes: frozenset[UUID]) -> AsyncGenerator[Change, None]:
        """The changes of some scopes from now on; one without subjects says that any may have changed."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """The context of one operation. It carries the pool and never a session: parallel resolvers may not share one.

    `unread` are entries of a mutation's list that do not fit their type, as they were sent; see `schema.mutations.short_way`.
    """

    principal: Principal
    database: Database
    link: Links
    keys: KeySet
    live: Live
    store: ObjectStore
    settings: Any = None
    teller: Teller | None = None
    unread: Sequence[Any] = ()
