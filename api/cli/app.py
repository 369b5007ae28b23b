"""The whole command line: every command and noun registers itself here."""

from __future__ import annotations

import typer

from api.cli import (
    admin,
    alert,
    audit,
    backup,
    buckets,
    camera,
    channel,
    check,
    checkpoint,
    demo,
    device,
    epoch,
    escalation,
    key,
    migrate,
    officer,
    partner,
    place,
    post,
    processes,
    quarantine,
    receipt,
    schema,
    sync,
    up,
)

app = typer.Typer(
    name="patrol",
    help="Safe Zone Patrol: offline-first sync, SOS, evidence and sharing for police patrols.\n\n"
    "Start with `patrol up`: it runs everything on this machine. Settings are environment variables named PATROL_…; "
    "`patrol check` says in plain words what is wrong with them.",
    epilog="Exit codes: 0 done, 1 the answer is no, 2 usage, 3 settings, 4 a server cannot be reached or used, "
    "5 refused by a rule, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (up, processes, migrate, check, demo, buckets):
    command.register(app)
for noun in (
    officer, device, quarantine, partner, camera, post, checkpoint, place, alert, escalation, channel, admin, key, epoch, sync, backup, receipt, audit, schema,
):  # fmt: skip
    noun.register(app)
