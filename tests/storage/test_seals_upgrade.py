"""The upgrade that lets seals name their entries must name those that each seal of before has covered."""

from __future__ import annotations

import asyncpg

from patrol.audit import audit, seal_log, verify
from patrol.keys import KeySet
from storage.database import Database
from storage.migrations import SCRIPTS
from storage.principal import Role, system


async def test_an_upgrade_names_the_entries_of_every_seal(
    database: Database, keys: KeySet, owner: asyncpg.Connection
) -> None:
    async with database.write(system("test")) as late:
        await audit(late, "test.act", "late")
        for number in range(3):
            async with database.write(system("test")) as connection:
                await audit(connection, "test.act", f"act {number}")
            await seal_log(database, keys)
    await seal_log(database, keys)
    named = "select number, ids::text, epoch_id from audit_seal order by number"
    before = await owner.fetch(named)
    assert len(before) == 4
    await owner.execute(
        "alter table audit_seal drop column ids, drop column above, drop column epoch_id"
    )
    text = (SCRIPTS / "versions" / "0019_sync_rest.py").read_text()
    await owner.execute(text.split('TABLES = """')[1].split('"""')[0])
    assert await owner.fetch(named) == before
    async with database.read(Role.SYSTEM, system("test")) as entered:
        proof = await verify(entered.connection, keys)
    assert (proof.entries, proof.seals, proof.strays, proof.broken_at) == (4, 4, 0, None)
