"""Settings are read once, and what is wrong with them is one sentence that never repeats a value."""

from __future__ import annotations

import io
import logging
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import structlog

from api.logs import configure_logs
from api.machine import as_login, login_of
from api.secret import installation_secret
from api.settings import Settings, SettingsWrong, load_settings, unknown_settings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"PATROL_{name.upper()}", raising=False)


def test_everything_has_a_default_that_works_on_one_machine() -> None:
    settings = load_settings()
    assert settings.database_url is None
    assert settings.owner_url is None
    assert settings.trusted_operations == "only"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORT", "70000", "PATROL_PORT: Input should be less than or equal to 65535."),
        ("SECRET", "hunter2", "PATROL_SECRET: must have 32 or more characters."),
        ("DATABASE_URL", "sqlite://x", "PATROL_DATABASE_URL: must start with postgresql://."),
        ("S3_URL", "http://s3.test", "PATROL_S3_ACCESS_KEY and PATROL_S3_SECRET_KEY must be set"),
        ("LOG_FORMAT", "xml", "PATROL_LOG_FORMAT: Input should be 'json' or 'console'."),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(f"PATROL_{name}", value)
    with pytest.raises(SettingsWrong) as wrong:
        load_settings()
    assert str(wrong.value).startswith(said)
    assert value not in str(wrong.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:secret@db.test:5432/patrol",
        "postgresql://app@/patrol?host=/run/postgresql",
        "postgresql:///patrol",
    ],
)
def test_database_addresses_by_network_and_by_socket_are_taken(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("PATROL_DATABASE_URL", url)
    assert load_settings().owner_url == url


def test_a_name_that_is_no_setting_is_found() -> None:
    assert unknown_settings(["PATROL_DATABSE_URL", "PATROL_PORT", "PATH", "PATROL_TEST_X"]) == [
        "PATROL_DATABSE_URL"
    ]


def test_the_application_login_is_known_when_it_is_not_the_owner() -> None:
    owner = "postgresql://postgres@/patrol?host=/run/x"
    app = as_login(owner, "patrol_login")
    assert app == "postgresql://patrol_login@/patrol?host=/run/x"
    assert login_of(Settings(database_url=app, database_owner_url=owner)) == "patrol_login"
    assert login_of(Settings(database_url=owner)) is None


def test_the_secret_is_made_once_private_and_kept(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "new")
    secret = installation_secret(settings)
    assert len(secret) >= 32
    assert installation_secret(settings) == secret
    assert stat.S_IMODE((tmp_path / "new" / "secret").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["secret"]


def test_processes_that_start_together_agree_on_one_secret(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with ThreadPoolExecutor(16) as pool:
        made = set(pool.map(lambda _: installation_secret(settings), range(64)))
    assert len(made) == 1


def test_a_given_secret_makes_no_file(tmp_path: Path) -> None:
    given = "x" * 32
    assert installation_secret(Settings(data_dir=tmp_path, secret=given)) == given  # type: ignore[arg-type] # read as from the environment
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("mode", "text", "said"), [(0o644, "y" * 40, "chmod"), (0o600, "y", "short")]
)
def test_a_secret_that_others_may_read_or_that_was_cut_is_refused(
    tmp_path: Path, mode: int, text: str, said: str
) -> None:
    (tmp_path / "secret").write_text(text)
    (tmp_path / "secret").chmod(mode)
    with pytest.raises(SettingsWrong, match=said):
        installation_secret(Settings(data_dir=tmp_path))


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_log_line_never_holds_a_coordinate_a_token_or_a_link(
    monkeypatch: pytest.MonkeyPatch, log_format: str
) -> None:
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    root, configured = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers, root.level
    try:
        configure_logs(log_format, "info", for_good=False)  # type: ignore[arg-type] # one of the two
        structlog.get_logger("test").info(
            "seen", latitude=16.7131, token="sat_x", link="https://s3.test/?sig", camera="C-1"
        )
        try:
            token = "sat_in_a_frame"
            raise ValueError(len(token))
        except ValueError:
            structlog.get_logger("test").exception("failed")
        logging.getLogger("urllib3.connectionpool").warning("GET https://s3.test/?X-Amz-Signature")
    finally:
        root.handlers = handlers
        root.setLevel(level)
        structlog.configure(**configured)
    text = written.getvalue()
    assert "C-1" in text
    assert "ValueError" in text
    for hidden in ("16.7131", "sat_x", "s3.test"):
        assert hidden not in text
    # The line of source is shown; the value of a variable never is.
    assert text.count("sat_in_a_frame") <= 1
