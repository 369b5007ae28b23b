"""Many phones and officers under seeded schedules: what was acknowledged is there once, and every copy is the truth.

    server     the phone door over a real PostgreSQL, without HTTP; what it answered is written into the ledger
    ledger     what the server said it stored, and what the rows must look like for it
    weather    a phone's line: no signal, lost answers, requests that come twice or late
    handset    the contract's reference phone with weather, a wrong clock, several officers and sudden death
    office     everything that happens on the server's side meanwhile, long transactions among it
    schedule   one seed: who does what, in which order
    judge      what must hold when everybody is at rest
    planted    faults that the simulation must find, or it proves nothing
    disaster   kills of PostgreSQL, and restores of an earlier copy
    run        many seeds, in chunks with a database each

`python -m tests.simulation --seeds 1000 --from 7` runs seeds and prints the one that fails; `--seeds 1 --from N --tell`
replays it step by step. `--disasters` adds kills and restores, `--plant NAME` a fault that must be found.
"""
