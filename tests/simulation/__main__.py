"""Runs seeds of the simulation on a PostgreSQL of its own, and prints the one that fails."""

from __future__ import annotations

import argparse
import sys
import time
from multiprocessing import get_context

from tests.simulation.lane import Lane, run_lane
from tests.simulation.planted import BY_NAME


def main() -> int:
    """0 when every seed keeps the promise."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many (default: %(default)s)")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first one")
    parser.add_argument(
        "--jobs", type=int, default=1, help="processes, each with its own PostgreSQL"
    )
    parser.add_argument("--tell", action="store_true", help="print every step")
    parser.add_argument("--disasters", action="store_true", help="with kills and restores, slower")
    parser.add_argument("--plant", choices=sorted(BY_NAME), help="a fault that is to be found")
    given = parser.parse_args()
    began = time.monotonic()
    lanes = [
        Lane(first, given.first + given.seeds, given.jobs, given.tell, given.disasters, given.plant)
        for first in range(given.first, given.first + given.jobs)
    ]
    if given.jobs == 1:
        failed = run_lane(lanes[0])
    else:
        with get_context("spawn").Pool(given.jobs) as pool:
            failed = next((one for one in pool.imap_unordered(run_lane, lanes) if one), None)
            pool.terminate()
    seconds = time.monotonic() - began
    if failed:
        print(failed, file=sys.stderr)
        return 1
    print(
        f"{given.seeds} schedules in {seconds:.0f} s, {given.seeds / seconds:.1f} a second: all agree"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
