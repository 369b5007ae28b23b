"""The device: one key, one store, and the officers who use it, each with an account of his own.

enrol    once per officer, with a code and with signal
record   always, into the outbox of the officer who holds the phone
switch   always; what the first one has not sent stays his, and is sent under his own session
sync     when there is signal: for who holds the phone everything, for the others what they have not sent
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from mobile_contracts.reference.account import Account
from mobile_contracts.reference.ids import uuid7
from mobile_contracts.reference.line import Away, Line, Refused
from mobile_contracts.reference.outbox import Mutation
from mobile_contracts.reference.session import enrol
from mobile_contracts.reference.store import Store


def by_the_clock() -> str:
    """The time as a phone with a good clock writes it."""
    return datetime.now(UTC).isoformat()


class Phone:
    """A phone. Whatever is in its store is there again after it was switched off."""

    def __init__(
        self,
        line: Line,
        store: Store | None = None,
        *,
        model: str = "reference",
        clock: Callable[[], str] = by_the_clock,
        **account: Any,
    ) -> None:
        """`clock` writes the phone's time, which may be wrong; more is handed to each `Account`."""
        self.line, self.model, self.clock = line, model, clock
        self.store = store or Store()
        self.key = self.store.key()
        self._more = account
        self.accounts = {one: self._account(one) for one in self.store.officers()}

    def _account(self, officer: str, **more: Any) -> Account:
        return Account(self.store, self.key, self.line, officer, **self._more, **more)

    @property
    def in_hand(self) -> Account:
        """The account of the officer who holds the phone."""
        officer = self.store.in_hand
        assert officer is not None  # somebody has enrolled
        return self.accounts[officer]

    async def enrol(self, code: str) -> Account:
        """An officer signs in on this phone; the first one holds it.

        Raises:
            Away: nothing was heard; the same code may be sent again.
            Refused: the code is not good.
        """
        session = await enrol(self.store, self.key, self.line, code, self.model)
        account = self._account(session.officer, session=session)
        self.accounts[session.officer] = account
        if self.store.in_hand is None:
            self.store.in_hand = session.officer
        return account

    def switch_to(self, officer: str) -> None:
        """Another officer takes the phone, with or without signal. Nothing is deleted."""
        assert officer in self.accounts
        self.store.in_hand = officer

    def record(self, change: Mapping[str, Mapping[str, Any]]) -> Mutation:
        """Records a change for the officer in hand; one that makes a row gets an id for it."""
        [(kind, members)] = change.items()
        return self.in_hand.outbox.record({kind: {"id": uuid7(), **members}}, self.clock())

    async def sync(self) -> int:
        """Sends everybody's work, and pulls for the officer in hand; returns how much news that brought.

        Raises:
            Away, Refused: not everything was done; nothing is lost.
        """
        news, faults = 0, list[Exception]()
        for account in list(self.accounts.values()):
            here = account is self.in_hand
            if here or (account.outbox.waiting() and account.session.ended is None):
                try:
                    news += await account.sync(pull=here)
                except (Away, Refused) as fault:
                    # What one officer may not do any more keeps back nobody else's work.
                    faults.append(fault)
        if faults:
            raise faults[0]
        return news
