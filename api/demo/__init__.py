"""`patrol demo`: a patrol hour in a minute, lived by simulated phones, cameras, poles and partners on the public API.

hour          the plan: who does what in which minute, from a seed
cast          everybody, each with the credential that an administrator handed out
phone         a patrol phone: the contract's reference phone with a weak line, a clock and a live subscription
scene         plays the plan while everybody lives by themselves
board         shows what each of them sees
verdict       compares all of it in the end
"""

from __future__ import annotations

import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent

if str(CHECKOUT) not in sys.path:
    # The reference phone belongs to the contract and not to the product, so it is no installed package.
    sys.path.append(str(CHECKOUT))


def main(
    *,
    photos: Path | None = None,
    seconds: float = 60.0,
    phones: int = 6,
    seed: int = 1,
    quick: bool = False,
    url: str | None = None,
    token: str | None = None,
    data_dir: Path | None = None,
    break_agreement: bool = False,
) -> int:
    """Plays the demo; 0 when everybody agrees in the end, 1 when they do not.

    Args:
        photos: feeds the cameras with the photographs of this directory instead of drawn frames.
        seconds: how long the patrol hour takes; starting and checking come on top.
        phones: how many phones the six officers have.
        seed: chance; the same seed gives the same plan.
        quick: a few seconds and pictures only, for tests.
        url: a running server; by default the `patrol up` of the data directory, else one of its own.
        token: an administrator's token for it; by default one is made as `patrol admin token` does.
        data_dir: where the own server keeps its data; by default in a directory that is deleted afterwards.
        break_agreement: plants a disagreement, to see that the check finds it.

    Raises:
        SettingsWrong, StorageFault: see `patrol`'s exit codes.
    """
    import asyncio

    from api.settings import SettingsWrong

    if not (CHECKOUT / "mobile_contracts" / "reference").is_dir():
        raise SettingsWrong(
            "The demo's phones are in `mobile_contracts`: run it from a checkout, see README.md."
        )
    if phones < 1 or seconds <= 0:
        raise SettingsWrong("The demo needs at least one phone and more than no time.")

    from api.cli.session import settings
    from api.demo.options import Options
    from api.demo.run import run

    options = Options(photos, seconds, phones, seed, quick, url, token, data_dir, break_agreement)
    return 0 if asyncio.run(run(options, settings())) else 1
