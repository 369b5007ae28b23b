"""What the first start of `patrol up` makes: the first administrator and the demonstration station."""

from __future__ import annotations

from dataclasses import dataclass, replace

from api.secret import installation_secret
from api.settings import Settings
from api.standing import Standing, keep
from patrol.demo_keys import DemoKeys
from storage.principal import Role, system

UP = system("up")


@dataclass(frozen=True, slots=True)
class Bootstrapped:
    """What the banner shows. `admin_token` is None on every start but the first."""

    admin_token: str | None
    demo: DemoKeys | None


async def bootstrap(settings: Settings, found: Standing, *, demo: bool) -> Bootstrapped:
    """Makes what is missing. Each step is one transaction, so a start that is killed is simply started again.

    Raises:
        StorageFault: the database cannot be reached.
        SecretWrong: the signing keys were wrapped with another secret.
    """
    if found.has_keys and found.has_admin and found.has_station and found.demo is not None:
        return Bootstrapped(None, found.demo)
    # Imported late: the rules cost a second, and every start but the first has nothing to make.
    from api.help_codes import help_code
    from patrol.identity import issue_admin_token
    from patrol.keys import load
    from patrol.seed import is_seeded, issue_demo_keys, seed
    from storage.database import Database

    assert settings.database_url is not None  # a machine that was started has addresses
    token, keys = None, found.demo
    database = await Database.connect(settings.database_url, size=2)
    try:
        async with database.write(UP, Role.SYSTEM) as connection:
            await load(connection, installation_secret(settings))
        if demo and not found.has_station:
            async with database.write(UP) as connection:
                await seed(connection)
        async with database.write(UP) as connection:
            if keys is None and await is_seeded(connection):
                keys = await issue_demo_keys(connection)
                async with database.write(UP, Role.SYSTEM) as other:
                    code = await help_code(other, settings, keys.post_id)
                keys = replace(keys, help_code=code)
                # Before the commit: a file whose keys were never stored is noticed at the next start, keys without
                # a file would open doors that nobody knows of.
                keep(settings.data_dir, keys)
        if not found.has_admin:
            async with database.write(UP) as connection:
                token = (await issue_admin_token(connection, "first administrator")).secret
    finally:
        await database.close()
    return Bootstrapped(token, keys)
