"""The command line does what its words say, and says in one line and an exit code why it cannot."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest
from typer.testing import CliRunner

from api.cli.app import app
from api.cli.exits import Exit
from api.live import CHANNEL
from patrol.keys import KeySet
from schema.phone import phone_door
from storage.database import Database
from storage.embedded import EmbeddedS3
from tests.api.cli_support import CommandLine, on_database
from tests.conftest import store_on
from tests.personas import as_officer
from tests.phone import Phone, context
from tests.world import World

EXAMPLES = Path(__file__).parent.parent.parent / "docs" / "examples"

NOUNS = (
    "admin",
    "audit",
    "backup",
    "camera",
    "cameras",
    "checkpoint",
    "device",
    "epoch",
    "keys",
    "officer",
    "partner",
    "post",
    "receipt",
    "sync",
)


@pytest.fixture
def patrol(login_url: str, fresh_database_url: str) -> CommandLine:
    """The command line on this test's own database."""
    return on_database(login_url, fresh_database_url)


def test_help_of_every_command_reads_well() -> None:
    runner = CliRunner()
    top = runner.invoke(app, ["--help"])
    assert top.exit_code == 0
    for word in ("up", "serve", "work", "migrate", "check", "demo", "buckets", "zones", *NOUNS):
        assert f" {word} " in top.output
        told = runner.invoke(app, [word, "--help"])
        assert told.exit_code == 0
        assert "Usage: " in told.output
        assert len(told.output.splitlines()) > 4
    assert "Exit codes" in top.output


def test_a_wrong_word_is_a_usage_error() -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["officer", "frobnicate"]).exit_code == Exit.USAGE
    assert (
        runner.invoke(app, ["partner", "add", "X", "--name", "X", "--sector", "?"]).exit_code == 2
    )


async def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; import api.cli.app; "
        "print([m for m in ('sqlalchemy', 'pydantic', 'asyncpg', 'minio', 'strawberry', 'uvicorn') if m in sys.modules])"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert out == b"[]\n"


async def test_the_real_process_prints_its_help_and_exits_with_its_codes() -> None:
    plain = CommandLine({})
    done = await plain("--help")
    assert (done.code, done.err) == (Exit.DONE, "")
    assert "patrol up" in done.out
    assert (await plain("officer", "frobnicate")).code == Exit.USAGE


async def test_an_officer_is_added_listed_enrolled_and_revoked(
    patrol: CommandLine, owner: asyncpg.Connection
) -> None:
    refused = await patrol("officer", "add", "B-1", "--name", "Kanya")
    assert (refused.code, refused.err) == (Exit.REFUSED, "patrol: There is no station yet.\n")
    await patrol.ok(
        *("station", "add", "MST", "--name", "Mae Sot", "--latitude", "16.7", "--longitude", "98.5")
    )
    await patrol.ok("zones", "import", str(EXAMPLES / "zones.geojson"))
    await patrol.ok(
        *("officer", "add", "B-1", "--name", "Kanya", "--name-th", "กัญญา", "--zone", "RIVERSIDE")
    )
    again = await patrol("officer", "add", "B-1", "--name", "Other")
    assert again.code == Exit.REFUSED
    assert "B-1 already" in again.err

    row = (await patrol.ok("officer", "list")).rstrip("\n").split("\t")
    assert row[:5] == ["B-1", "OFFICER", "", "Kanya", "กัญญา"]
    # A zone brings the zones inside it.
    assert set(row[5].split()) == {"RIVERSIDE", "RIVERSIDE-MARKET", "RIVERSIDE-NIGHT"}

    code = (await patrol.ok("officer", "enrol", "B-1", "--quiet")).strip()
    assert len(code.replace("-", "")) == 10
    assert await owner.fetchval("select count(*) from enrolment_code") == 1
    assert (await patrol("officer", "enrol", "B-9")).code == Exit.REFUSED

    await patrol.ok("officer", "revoke", "B-1")
    assert (await patrol("officer", "enrol", "B-1")).code == Exit.REFUSED
    acts = [row["act"] for row in await owner.fetch("select act from audit_entry order by id")]
    assert acts == [
        "station.add",
        "zones.import",
        "officer.add",
        "officer.assign",
        "enrolment_code.issue",
        "officer.revoke",
        "officer.sign_out_everywhere",
    ]


async def test_a_partner_is_added_granted_and_given_a_key_that_ends(
    patrol: CommandLine, world: World, owner: asyncpg.Connection
) -> None:
    await patrol.ok("partner", "add", "CITY", "--name", "City", "--sector", "local_government")
    zone = await owner.fetchval("select code from zone where id = $1", world.market)
    agreement = await patrol.ok(
        *("partner", "grant", "CITY", "--zone", zone, "--subject", "ZONES", "--subject", "CAMERAS"),
        *("--detail", "FULL", "--delay-minutes", "5"),
    )
    row = (await patrol.ok("partner", "list", "CITY")).rstrip("\n").split("\t")
    assert row[:5] == [agreement.strip(), zone, "ZONES CAMERAS", "FULL", "300"]

    key = (await patrol.ok("partner", "key", "CITY", "--label", "test")).strip()
    assert key.startswith("spk_")
    kept = await owner.fetchrow(
        "select id, key_sha256 = sha256($1) as same from api_key", key.encode()
    )
    assert kept["same"]
    assert key[:12] in await patrol.ok("partner", "keys", "CITY")
    await patrol.ok("partner", "revoke-key", str(kept["id"]))
    assert (await patrol("partner", "revoke-key", str(kept["id"]))).code == Exit.REFUSED
    await patrol.ok("partner", "revoke", agreement.strip())
    assert (await patrol("partner", "grant", "CITY", "--zone", "?", "--subject", "ZONES")).code == 5


async def test_a_camera_and_its_post_are_added_and_given_keys(
    patrol: CommandLine, world: World, owner: asyncpg.Connection
) -> None:
    where = ("--latitude", "16.7141", "--longitude", "98.5718")
    await patrol.ok("camera", "add", "P-9", "--name", "Pole", *where, "--kind", "sos_post")
    assert await owner.fetchval("select zone_id from camera where code = 'P-9'") == world.market
    for noun in ("camera", "post"):
        key = (await patrol.ok(noun, "key", "P-9", "--quiet")).strip()
        assert key.startswith("sdk_")
        assert key[:12] in await patrol.ok(noun, "keys", "P-9")
        assert "P-9\t" in await patrol.ok(noun, "list")
    outside = await patrol(
        "camera", "add", "X", "--name", "X", "--latitude", "1", "--longitude", "1"
    )
    assert outside.code == Exit.REFUSED
    assert "no zone covers the position" in outside.err


async def test_a_refused_file_lists_every_row_and_leaves_nothing(
    patrol: CommandLine, world: World, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    file = tmp_path / "cameras.csv"
    file.write_text("code,name,latitude,longitude,kind\nA,x,1,1,FIXED\nB,,16.7141,98.5718,NOPE\n")
    before = await owner.fetchval("select count(*) from camera")
    done = await patrol("cameras", "import", str(file))
    assert done.code == Exit.REFUSED
    lines = done.err.splitlines()
    assert [line.split(":")[0] for line in lines if line.startswith("  line")] == [
        "  line 2 (code 'A')",
        "  line 3 (code 'B')",
        "  line 3 (code 'B')",
    ]
    assert lines[-1] == "patrol: Nothing was imported: the file has 3 errors."
    assert await owner.fetchval("select count(*) from camera") == before


async def test_an_import_pokes_the_phones_of_the_station_and_one_without_changes_nobody(
    patrol: CommandLine, database: Database, owner: asyncpg.Connection
) -> None:
    station = await World(database).add_station("Mae Sot")
    heard: asyncio.Queue[str] = asyncio.Queue()

    def hear(*told: Any) -> None:
        heard.put_nowait(told[3])

    await owner.add_listener(CHANNEL, hear)
    for file, subjects in (("zones.geojson", ["zones"]), ("cameras.csv", ["cameras", "posts"])):
        imported = (file.split(".")[0], "import", str(EXAMPLES / file))
        await patrol.ok(*imported)
        async with asyncio.timeout(20):
            [(scopes, named, _)] = orjson.loads(await heard.get())
        zones = [row["id"] for row in await owner.fetch("select id from zone")]
        assert (set(scopes), named) == ({str(one) for one in (station, *zones)}, subjects)
        await patrol.ok(*imported)
    # Whatever was sent before has been heard once this is.
    await owner.execute("select pg_notify($1, 'last')", CHANNEL)
    async with asyncio.timeout(20):
        assert await heard.get() == "last"
    await owner.remove_listener(CHANNEL, hear)


async def test_a_second_import_says_that_nothing_changed(
    patrol: CommandLine, database: Database
) -> None:
    await World(database).add_station("Mae Sot")
    for file, stored in (("zones.geojson", 3), ("cameras.csv", 4)):
        noun = file.split(".")[0]
        words = (noun, "import", str(EXAMPLES / file))
        assert await patrol.ok(*words) == f"{stored} added, 0 changed, 0 unchanged.\n"
        assert await patrol.ok(*words) == f"0 added, 0 changed, {stored} unchanged.\n"


async def test_keys_are_rotated_with_overlap_and_the_last_one_is_not_retired(
    patrol: CommandLine, owner: asyncpg.Connection
) -> None:
    new = (await patrol.ok("keys", "rotate")).strip()
    rows = [line.split("\t") for line in (await patrol.ok("keys", "list")).splitlines()]
    old = rows[0][0]
    assert [(row[0], row[3]) for row in rows] == [(old, "yes"), (new, "no")]
    assert (await patrol("keys", "retire", old, "--yes")).code == Exit.REFUSED
    await owner.execute("update signing_key set signs_from = now() - interval '1 minute'")
    await patrol.ok("keys", "retire", old, "--yes")
    assert (await patrol("keys", "retire", "nope", "--yes")).code == Exit.REFUSED


async def test_a_new_epoch_resets_phones_and_is_in_the_log(
    patrol: CommandLine, world: World, owner: asyncpg.Connection, database: Database, keys: KeySet
) -> None:
    phone = Phone(phone_door(), context(database, await as_officer(world, world.kanya), keys))
    await phone.pull()
    assert await patrol.ok("epoch", "new", "--reason", "restored from Monday") == "2\n"
    assert (await phone.pull_page())["reset"] == "EPOCH_ENDED"
    assert (await phone.pull_page())["reset"] is None
    entry = await owner.fetchrow("select * from audit_entry where act = 'epoch.new'")
    assert (entry["subject"], orjson.loads(entry["detail"])) == (
        "2",
        {"reason": "restored from Monday"},
    )
    assert await owner.fetchval("select reason from sync_epoch where number = 2")
    assert (await patrol("epoch", "new", "--reason", " ")).code == Exit.REFUSED
    assert await owner.fetchval("select max(number) from sync_epoch") == 2


async def test_an_administrator_gets_a_token_that_ends(patrol: CommandLine) -> None:
    token = (await patrol.ok("admin", "token", "--name", "Noi")).strip()
    assert token.startswith("sat_")
    row = (await patrol.ok("admin", "list")).rstrip("\n").split("\t")
    assert row[1:3] == ["Noi", token[:12]]
    await patrol.ok("admin", "revoke", row[0])
    assert (await patrol("admin", "revoke", row[0])).code == Exit.REFUSED


async def test_the_audit_log_is_shown_and_verified(
    patrol: CommandLine, owner: asyncpg.Connection
) -> None:
    await patrol.ok("admin", "token")
    row = (await patrol.ok("audit", "tail")).rstrip("\n").split("\t")
    assert row[1].startswith("system:cli/")
    assert row[2] == "admin.token.issue"
    assert "entries are not sealed yet" in await patrol.ok("audit", "verify")


async def test_phones_are_listed_and_revoked(
    patrol: CommandLine, world: World, owner: asyncpg.Connection
) -> None:
    device = await world.add_device()
    assert str(device) in await patrol.ok("device", "list")
    await patrol.ok("device", "revoke", str(device))
    assert (await patrol("device", "revoke", str(device))).code == Exit.REFUSED


async def test_migrate_may_be_repeated(patrol: CommandLine) -> None:
    for _ in range(2):
        assert await patrol.ok("migrate") == "The database is at the schema of this release.\n"


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        ({"database_url": "postgresql://x@127.0.0.1:1/x"}, Exit.UNREACHABLE, "cannot be reached"),
        ({"database_url": "mysql://x"}, Exit.SETTINGS, "PATROL_DATABASE_URL: must start"),
        ({"port": "many", "secret": "short"}, Exit.SETTINGS, "PATROL_SECRET: must have 32"),
        ({"s3_url": "http://127.0.0.1:1"}, Exit.SETTINGS, "PATROL_S3_ACCESS_KEY"),
    ],
)
async def test_what_is_wrong_outside_is_one_line_and_an_exit_code(
    settings: dict[str, str], code: Exit, said: str, tmp_path: Path
) -> None:
    done = await CommandLine({"data_dir": str(tmp_path), **settings})("officer", "list")
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert len(done.err.splitlines()) == 1
    assert "short" not in done.err.replace("shorter", "")


async def test_without_servers_and_without_an_installation_it_says_where_to_begin(
    tmp_path: Path,
) -> None:
    done = await CommandLine({"data_dir": str(tmp_path)})("officer", "list")
    assert done.code == Exit.SETTINGS
    assert "patrol up" in done.err
    assert os.listdir(tmp_path) == []


async def test_another_secret_than_the_databases_is_told(
    login_url: str, fresh_database_url: str
) -> None:
    await on_database(login_url, fresh_database_url).ok("keys", "rotate")
    other = on_database(login_url, fresh_database_url)
    other.settings["secret"] = "another secret of more than thirty-two characters"
    done = await other("keys", "rotate")
    assert done.code == Exit.SETTINGS
    assert "PATROL_SECRET" in done.err


def store_settings(s3: EmbeddedS3, prefix: str) -> dict[str, str]:
    return {
        "s3_url": f"http://{s3.endpoint}",
        "s3_access_key": s3.access_key,
        "s3_secret_key": s3.secret_key,
        "s3_prefix": prefix,
    }


async def test_buckets_are_listed_with_what_they_hold(
    login_url: str, fresh_database_url: str, s3: EmbeddedS3
) -> None:
    patrol = on_database(login_url, fresh_database_url, **store_settings(s3, "cli-"))
    made = await patrol("buckets", "--make")
    assert made.code == Exit.DONE
    assert "created cli-evidence" in made.err
    reports = orjson.loads(await patrol.ok("buckets", "--json"))
    assert {report["purpose"]: report["object_lock"] for report in reports} == {
        "snapshots": True,
        "evidence": True,
        "derived": False,
        "exports": False,
    }


async def test_a_server_refuses_buckets_that_cannot_keep_evidence(
    login_url: str, fresh_database_url: str, s3: EmbeddedS3
) -> None:
    patrol = on_database(login_url, fresh_database_url, **store_settings(s3, "not-made-"))
    for process in ("serve", "work"):
        done = await CommandLine(patrol.settings)(process, port="0")
        assert done.code == Exit.UNREACHABLE
        assert "not-made-evidence is missing and must be created with object lock" in done.err


async def test_check_passes_on_a_good_installation_and_names_what_is_wrong_with_another(
    login_url: str, fresh_database_url: str, s3: EmbeddedS3
) -> None:
    store = store_on(s3, "check-")
    await store.ensure_buckets()
    store.close()
    patrol = on_database(login_url, fresh_database_url, **store_settings(s3, "check-"))
    good = await patrol("check", "--json", databse_url="typo")
    assert good.code == Exit.DONE, good.out
    found = orjson.loads(good.out)
    assert {"REFUSED"}.isdisjoint(one["level"] for one in found)
    assert any("PATROL_DATABSE_URL is not a setting" in one["text"] for one in found)

    patrol.settings["s3_prefix"] = "elsewhere-"
    bad = await patrol("check", firebase_credentials="/nowhere.json")
    assert bad.code == Exit.ANSWER_IS_NO
    refused = [line for line in bad.out.splitlines() if line.startswith("REFUSED")]
    assert any("elsewhere-evidence is missing" in line for line in refused)
    assert any("firebase" in line for line in refused)
