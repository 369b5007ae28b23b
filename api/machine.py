"""One machine: the embedded servers of a data directory, and the addresses by which other commands find them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from pydantic import SecretStr

from api.settings import PREFIX, Settings, SettingsWrong
from api.standing import Standing, owner, standing
from storage.embedded import EmbeddedPostgres, EmbeddedS3
from storage.embedded.s3_doors import write_private
from storage.faults import DirectoryInUse

LOGIN = "patrol_login"
"""The application's login on the embedded server: it owns no table and can bypass no policy."""

ADDRESSES = "machine.json"


class Machine:
    """PostgreSQL and S3 for settings that name none of their own; what they name is left alone."""

    def __init__(self, settings: Settings) -> None:
        self._given = settings.model_copy(update={"data_dir": settings.data_dir.resolve()})
        self._postgres = None if settings.database_url else EmbeddedPostgres(self.directory)
        self._s3 = None if settings.s3_url else EmbeddedS3(self.directory)
        self._others: list[EmbeddedPostgres | EmbeddedS3] = []

    @property
    def directory(self) -> Path:
        """Where everything of this machine is kept."""
        return self._given.data_dir

    @property
    def embedded(self) -> bool:
        """Whether any server of this machine is ours."""
        return self._postgres is not None or self._s3 is not None

    def start(self, *, store: bool = True) -> Settings:
        """Starts what is needed and returns the settings with all addresses.

        Raises:
            StorageFault: a server cannot be started, or another process owns the directory (DirectoryInUse).
        """
        wanted = [one for one in (self._postgres, self._s3 if store else None) if one is not None]
        if wanted:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with ThreadPoolExecutor(max(1, len(wanted))) as pool:
                for starting in [pool.submit(self._start, one) for one in wanted]:
                    starting.result()
        except BaseException:
            self.stop()
            raise
        return self._settings(store=store)

    def stop(self) -> None:
        """Ends what was started; harmless when nothing was."""
        with ThreadPoolExecutor(2) as pool:
            for one in (self._postgres, self._s3):
                if one is not None and one not in self._others:
                    pool.submit(one.stop)

    def _start(self, one: EmbeddedPostgres | EmbeddedS3) -> None:
        try:
            one.start()
        except DirectoryInUse:
            # Another process runs it: our stop must not tidy up behind that one's back.
            self._others.append(one)
            raise

    def publish(self, settings: Settings, address: str, start: str) -> None:
        """Lets our processes begin and other commands find the servers; the file holds credentials and is private."""
        found = {"start": start, "address": address, "settings": _revealed(settings)}
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(self.directory / ADDRESSES, json.dumps(found).encode())

    def _settings(self, *, store: bool) -> Settings:
        found: dict[str, Any] = {}
        if self._postgres is not None:
            found["database_owner_url"] = self._postgres.url
            found["database_url"] = as_login(self._postgres.url, LOGIN)
        if self._s3 is not None and store:
            found["s3_url"] = f"http://{self._s3.endpoint}"
            found["s3_access_key"] = self._s3.access_key
            found["s3_secret_key"] = SecretStr(self._s3.secret_key)
            found["s3_region"] = self._s3.region
        return self._given.model_copy(update=found)


_PLACES = (
    "database_url",
    "database_owner_url",
    "s3_url",
    "s3_access_key",
    "s3_secret_key",
    "s3_region",
)


@contextmanager
def servers(
    settings: Settings, *, store: bool = False, note: Callable[[str], None] = lambda _: None
) -> Iterator[Settings]:
    """Settings with all addresses, for one command: of external servers, of a running `patrol up`, or of embedded
    servers that run only as long as the command.

    Raises:
        SettingsWrong: no server is named and there is no installation in the data directory.
        StorageFault: a server cannot be started.
    """
    machine = Machine(settings)
    embedded = not settings.database_url or (store and not settings.s3_url)
    if not embedded:
        yield settings
        return
    if not settings.database_url and not (machine.directory / "postgres" / "cluster").exists():
        raise SettingsWrong(
            f"There is no installation in {machine.directory} yet. Make one with `patrol up`, or set "
            "PATROL_DATABASE_URL (and PATROL_DATA_DIR, if yours is elsewhere)."
        )
    try:
        try:
            addressed = machine.start(store=store)
            note("The embedded servers run for this command only.")
        except DirectoryInUse:
            addressed = _of_running(machine, settings)
        yield addressed
    finally:
        machine.stop()


def _of_running(machine: Machine, settings: Settings) -> Settings:
    published = _published(machine.directory)
    if published is None:
        raise DirectoryInUse(
            f"Another command is starting or using the servers in {machine.directory}. Try again in a moment."
        )
    found: dict[str, Any] = {
        name: text
        for name, text in published["settings"].items()
        if name in _PLACES and (name.startswith("s3_") or not settings.database_url)
    }
    if "s3_secret_key" in found:
        found["s3_secret_key"] = SecretStr(found["s3_secret_key"])
    return settings.model_copy(update={"data_dir": machine.directory, **found})


def published_address(settings: Settings) -> str | None:
    """The HTTP address of the `patrol up` that last ran in the data directory."""
    published = _published(settings.data_dir)
    return None if published is None else str(published["address"])


def _published(directory: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads((directory / ADDRESSES).read_text())
    except FileNotFoundError:
        return None
    return found


async def prepare(settings: Settings) -> Standing:
    """Makes the application's login and the migrations that are missing, and tells what is there then.

    Raises:
        DatabaseUnavailable: nobody answers at the address, or the login is refused.
    """
    owner_url, login = settings.owner_url, login_of(settings)
    assert owner_url is not None  # a machine that was started has addresses
    found = await standing(owner_url, login, settings.data_dir)
    # A start that was killed may have left the migrations made and the login without rights.
    if found.migrated and found.login:
        return found
    if found.login is None and login == LOGIN:
        async with owner(owner_url) as connection:
            await connection.execute(f"create role {LOGIN} login nosuperuser nobypassrls")
    from storage.migrations import migrate  # costs a second to import, and few starts migrate

    await migrate(owner_url, login=login)
    return await standing(owner_url, login, settings.data_dir)


def login_of(settings: Settings) -> str | None:
    """The application's login where it is another than the tables' owner."""
    if settings.database_url is None or settings.database_url == settings.owner_url:
        return None
    name = urlsplit(settings.database_url).username
    return unquote(name) if name else None


def as_login(url: str, login: str) -> str:
    """The same database as another login, without password."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, f"{login}@{host}", parts.path, parts.query, parts.fragment))


def published_settings(directory: Path, start: str) -> dict[str, str] | None:
    """The environment of one start of `patrol up`, once it is known."""
    published = _published(directory)
    if published is None or published["start"] != start:
        return None
    return {f"{PREFIX}{name.upper()}": text for name, text in published["settings"].items()}


def _revealed(settings: Settings) -> dict[str, str]:
    values = {name: getattr(settings, name) for name in Settings.model_fields}
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in values.items()
        if value is not None
    }
