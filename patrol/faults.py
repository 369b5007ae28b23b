"""What a fault of storage means to the one who asked: the catalogue's problem, without what only operators may read."""

from __future__ import annotations

from collections.abc import Mapping

from patrol.errors import (
    BodyTooLarge,
    DatabaseIsStandby,
    DatabaseUnavailable,
    DeviceWipe,
    NotFound,
    Problem,
    SessionRevoked,
    StoreRefused,
    StoreUnavailable,
)
from storage import faults

_PROBLEMS: Mapping[type[faults.StorageFault], type[Problem]] = {
    faults.DatabaseUnavailable: DatabaseUnavailable,
    faults.DatabaseIsStandby: DatabaseIsStandby,
    faults.PrincipalRevoked: SessionRevoked,
    faults.DeviceToWipe: DeviceWipe,
    faults.StoreUnavailable: StoreUnavailable,
    faults.StoreRefused: StoreRefused,
    faults.ObjectMissing: NotFound,
    faults.ObjectTooLarge: BodyTooLarge,
}


def problem_behind(fault: BaseException) -> Problem | None:
    """The problem to tell for a fault; None where no client can do anything about it, so that it is a mistake of ours."""
    found = next((_PROBLEMS[kind] for kind in type(fault).__mro__ if kind in _PROBLEMS), None)
    return None if found is None else found()
