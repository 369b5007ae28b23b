"""A phone of the simulation: the contract's reference phone with a clock that jumps, several officers, and sudden death."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

from mobile_contracts.reference import Account, Phone, Store
from mobile_contracts.reference.account import CHOICES
from mobile_contracts.reference.copy import Choice
from mobile_contracts.reference.pace import Pace
from mobile_contracts.reference.session import INSERT
from storage.principal import Principal
from tests.simulation.server import documents
from tests.simulation.weather import Weather

SIZES = (1_024, 2_048, 8_192, 262_144)


class Died(Exception):
    """The phone was switched off in the middle of a step."""


class MortalStore(Store):
    """A store whose phone may die just before a commit."""

    dies_in = 0

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """As `Store.transaction`, and sometimes nothing of it."""
        with super().transaction() as db:
            yield db
            if self.dies_in:
                self.dies_in -= 1
                if self.dies_in == 0:
                    raise Died


class SteadyPace(Pace):
    """Page sizes that the seed decides, and not the speed of this machine."""

    def arrived(self, seconds: float) -> None:
        """Nothing is learnt."""


class Handset:
    """A device with its officers. The store outlives the app."""

    def __init__(
        self,
        name: str,
        device: UUID,
        weather: Weather,
        rng: Random,
        *,
        old: bool,
        choices: tuple[Choice, ...] = CHOICES,
    ) -> None:
        self.choices = choices
        self.name, self.device, self.weather, self.rng, self.old = name, device, weather, rng, old
        self.store = MortalStore()
        self.off = timedelta(0)
        self.years = 0
        self.tokens: dict[str, str] = {}
        self.app = self._start()

    def _start(self) -> Phone:
        app = Phone(
            self.weather, self.store, model=self.name, clock=self.clock,
            documents=documents(old=self.old), choices=self.choices,
        )  # fmt: skip
        for account in app.accounts.values():
            self._ready(account)
        return app

    def _ready(self, account: Account) -> None:
        account.pace = SteadyPace(self.rng.choice(SIZES))
        account.session.access(
            {"accessToken": self.tokens[account.id], "accessTokenSeconds": 1_000_000}
        )

    def restart(self, *, old: bool | None = None) -> None:
        """The app is started again, perhaps as another release. Only what is in the store is left."""
        self.old = self.old if old is None else old
        self.store.dies_in = 0
        self.app = self._start()

    def sign_in(self, principal: Principal) -> None:
        """An officer enrols; the way through HTTP is tested elsewhere."""
        officer = str(principal.id)
        self.tokens[officer] = self.weather.server.sign_in(principal)
        with self.store.transaction() as db:
            profile = json.dumps({"id": officer, "badge": officer[-4:]})
            db.execute(INSERT, {"officer": officer, "profile": profile, "session": "", "token": ""})
        if self.store.in_hand is None:
            self.store.in_hand = officer
        self.restart()

    def now(self) -> datetime:
        """What the phone believes."""
        return datetime.now(UTC) + self.off

    def clock(self) -> str:
        """The time as the phone writes it."""
        at = self.now()
        return f"{at.year + self.years:04}{at.isoformat()[4:]}"

    def close(self) -> None:
        """The end."""
        self.store.close()
