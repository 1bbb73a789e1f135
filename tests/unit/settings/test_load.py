"""Where the configuration comes from, and how each mistake in it is told with its place."""

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from sync.errors import ConfigurationError
from sync.settings import load_alert_settings, load_settings, read_secret_file
from sync.settings.example import example

MINIMAL = """
[oauth]
client_id = "an-application"
[source]
path = "contacts.csv"
[lists]
names = ["Customers"]
"""


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "contact-sync.toml"
    path.write_text(MINIMAL)
    return path


def problems(file: Path) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as raised:
        load_settings(file)
    return raised.value.problems


@pytest.mark.parametrize(
    ("variable", "value", "section", "option", "read"),
    [
        ("SOURCE__PATH", "/data/other.csv", "source", "path", Path("/data/other.csv")),
        ("LISTS__NAMES", '["One", "Two"]', "lists", "names", ("One", "Two")),
        ("SOURCE__CHUNK_ROWS", "500", "source", "chunk_rows", 500),
        ("lists__create_missing", "true", "lists", "create_missing", True),
        ("LISTS", '{"column": "Country"}', "lists", "column", "Country"),
    ],
)
def test_the_environment_goes_first(
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    section: str,
    option: str,
    read: object,
) -> None:
    monkeypatch.setenv(f"CONTACT_SYNC_{variable}", value)
    assert getattr(getattr(load_settings(file), section), option) == read


def test_relative_paths_start_at_the_configuration_s_folder(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    settings = load_settings(file)
    assert settings.source.path == file.parent / "contacts.csv"
    assert settings.state.directory == file.parent / "state"
    assert settings.report.directory == file.parent / "reports"


def test_the_file_is_found_where_it_is_usual(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    assert load_settings().oauth.client_id == "an-application"
    monkeypatch.chdir("/")
    monkeypatch.setenv("CONTACT_SYNC_CONFIG", str(file))
    assert load_settings().oauth.client_id == "an-application"
    monkeypatch.delenv("CONTACT_SYNC_CONFIG")
    with pytest.raises(ConfigurationError, match="contact-sync init"):
        load_settings()


# --- secrets --------------------------------------------------------------------------------------


def test_secrets_come_from_systemd_s_credentials(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "client_secret").write_text("from systemd\n")
    (folder / "vault_key").write_text("a key\n")
    (folder / "feedback_password").write_text("theirs\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    (tmp_path / "secret").write_text("from a file")
    file.write_text(
        MINIMAL.replace("[source]", 'client_secret_file = "secret"\n[source]')
        + '[feedback]\nurl = "sqlite:///x.db"\ntable = "t"\n'
    )
    settings = load_settings(file)
    assert settings.client_secret == "from systemd"
    assert settings.vault.key is not None
    assert settings.vault.key.get_secret_value() == "a key"
    assert settings.feedback_password == "theirs"

    monkeypatch.setenv("CONTACT_SYNC_OAUTH__CLIENT_SECRET", "from the environment")
    assert load_settings(file).client_secret == "from the environment"


@pytest.mark.parametrize(("content", "words"), [(b"", "is empty"), (b"\xff\xfe", "not UTF-8")])
def test_a_credential_that_holds_nothing_is_told(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, words: str
) -> None:
    (tmp_path / "client_secret").write_bytes(content)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(ConfigurationError, match=f"client_secret.*{words}"):
        load_settings(file)


def test_a_credential_that_this_user_may_not_read_is_told(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(Path, "read_text", refused)
    with pytest.raises(ConfigurationError, match=r"credential .*can't be read: Permission"):
        load_settings(file)


def test_the_alerts_are_found_in_a_configuration_that_is_wrong(file: Path) -> None:
    file.write_text('[alerts]\nwebhook_url = "http://x.example"\n[source]\nno_such = 1\n')
    assert load_alert_settings(file).alerts.webhook_url is not None
    with pytest.raises(ConfigurationError):
        load_settings(file)
    file.write_text("[alerts]\nsmtp_port = 0\n")
    with pytest.raises(ConfigurationError, match="smtp_port"):
        load_alert_settings(file)


def test_a_secret_file_is_read_only_when_it_is_secret(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    with pytest.raises(ConfigurationError, match="No such file"):
        read_secret_file(secret)
    secret.write_text("s3cret\n")
    for mode in (0o640, 0o604, 0o660):
        secret.chmod(mode)
        with pytest.raises(ConfigurationError, match="chmod 600"):
            read_secret_file(secret)
    secret.chmod(0o600)
    assert read_secret_file(secret) == "s3cret"
    secret.write_text("\n")
    with pytest.raises(ConfigurationError, match="is empty"):
        read_secret_file(secret)


def test_no_secret_is_shown_by_a_repr_or_a_problem(file: Path) -> None:
    file.write_text(
        MINIMAL.replace("[source]", 'client_secret = "hush"\n[source]')
        + '[vault]\nkey = "whisper"\n[state]\nurl = "postgresql://u:murmur@h/d"\n'
    )
    shown = repr(load_settings(file)) + str(load_settings(file))
    assert not any(secret in shown for secret in ("hush", "whisper", "murmur"))
    file.write_text(MINIMAL.replace("[source]", 'client_secret = ["hush"]\n[source]'))
    assert "hush" not in "".join(problems(file))


# --- mistakes -------------------------------------------------------------------------------------

MISTAKES = {
    "[source]\nchunk_rows = 'many'": "source.chunk_rows must be a whole number",
    "[source]\npaht = 'x'": "source.paht is not an option; did you mean path?",
    "[sources]\npath = 'x'": "sources is not an option; did you mean source?",
    "[lists]\ncolumn = 5": "lists.column must be a text, in quotation marks",
    "[mapping.columns.email]\ncolum = 'x'": "colum is not an option; did you mean column?",
    "[mapping.custom_fields.a]\ntyp = 'x'": "typ is not an option; did you mean type?",
    "[oauth]\nscopes = ['contact_data']": "oauth.scopes must contain offline_access",
    "[schedule]\ntime = '25:00'": 'schedule.time must be a time of day, such as "03:30"',
    "[schedule]\ntime = 5": "schedule.time must be a time of day",
    "[schedule]\ncatch_up_within = '1 hour'": "schedule.catch_up_within must be seconds, or an ISO",
    "[schedule]\njitter = 'P2D'": "schedule.jitter must be at most 12 hours",
    "[schedule]\nretries = 5": "schedule.retries must be a list, such as",
    "[state]\ndirectory = 5": "state.directory must be a path, in quotation marks",
    "[status]\nenabled = 'perhaps'": "status.enabled must be true or false",
    "[gone]\naction = 'remove'": "gone.action must be 'keep', 'remove_from_lists' or 'delete'",
    "[guard]\nmax_shrink_percent = 120": "guard.max_shrink_percent must be at most 100",
    "[source]\nurl = 'sqlite://'": "source.path and source.url exclude each other",
}


@pytest.mark.parametrize("lines", MISTAKES, ids=lambda lines: lines.replace("\n", " "))
def test_each_mistake_is_told_with_its_place(file: Path, lines: str) -> None:
    heading = lines.splitlines()[0]
    text = MINIMAL.replace(heading, lines) if heading in MINIMAL else MINIMAL + lines
    file.write_text(text)
    told = problems(file)
    assert len(told) == 1
    assert MISTAKES[lines] in told[0]
    assert "Value error" not in told[0]


@pytest.mark.parametrize("name", ["a" * 64, "mail..example"])
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("alerts.smtp_host", "{}.com"),
        ("alerts.webhook_url", "https://{}.com/hook"),
        ("alerts.ping_url", "http://{}.com:80/"),
        ("status.host", "{}.com"),
        ("api.base_url", "https://{}.com/v3"),
        ("oauth.token_url", "https://{}.com/token"),
        ("oauth.authorize_url", "https://{}.com/authorize"),
        ("source.url", "mysql+pymysql://reader@{}.com/crm"),
        ("state.url", "postgresql+psycopg://reader@{}.com/crm"),
        ("feedback.url", "postgresql+psycopg://reader@{}.com/crm"),
    ],
)
def test_a_host_that_no_network_can_have_is_told(
    file: Path, monkeypatch: pytest.MonkeyPatch, option: str, value: str, name: str
) -> None:
    variable = f"CONTACT_SYNC_{option.upper().replace('.', '__')}"
    monkeypatch.setenv(variable, value.format(name))
    (told,) = problems(file)
    assert told == (
        f"{option} needs another host: between the dots of its name are 1 to 63 letters, digits "
        f"and hyphens (from the environment variable {variable})"
    )


@pytest.mark.parametrize("host", ["::1", "localhost", "m\u00fcnchen.de", "db_1.lan.", "192.0.2.7"])
def test_a_host_may_be_named_as_networks_allow(file: Path, host: str) -> None:
    file.write_text(MINIMAL + f'[status]\nhost = "{host}"\n')
    assert load_settings(file).status.host == host


@pytest.mark.parametrize("port", ["99999", "x"])
def test_a_port_that_is_none_is_told(file: Path, port: str) -> None:
    file.write_text(MINIMAL + f'[alerts]\nwebhook_url = "https://example.com:{port}"\n')
    (told,) = problems(file)
    assert told.startswith("alerts.webhook_url is no address")


@pytest.mark.parametrize("option", ["source.url", "state.url", "feedback.url"])
@pytest.mark.parametrize("address", ["hush", "postgresql+psycopg://u:hush@h:port/d"])
def test_an_address_that_no_database_can_have_is_told_without_it(
    file: Path, monkeypatch: pytest.MonkeyPatch, option: str, address: str
) -> None:
    monkeypatch.setenv(f"CONTACT_SYNC_{option.upper().replace('.', '__')}", address)
    (told,) = problems(file)
    assert told.startswith(f"{option} must be a database's address, such as postgresql+psycopg://")
    assert "hush" not in told


@pytest.mark.parametrize(
    "address",
    [
        "sqlite:////var/lib/crm.db",
        "sqlite://",
        "postgresql+psycopg://reader:p:a/s?s%40@[::1]:5432/crm?sslmode=require",
        "mysql+pymysql://db.example.com:/crm",
        "mssql+pyodbc:///?odbc_connect=DRIVER%3DODBC",
        "oracle+oracledb://reader@crm.example.com:1521/?service_name=CRM",
        "crm",
        "://h/d",
        "postgresql://h:x/d",
        "postgresql:h/d",
    ],
)
def test_an_address_is_one_for_us_that_is_one_for_sqlalchemy(file: Path, address: str) -> None:
    file.write_text(f'{MINIMAL}[state]\nurl = "{address}"\n')
    try:
        make_url(address)
    except (ArgumentError, ValueError):
        assert problems(file)
    else:
        assert load_settings(file).state_url == address


def test_all_mistakes_are_told_at_once(file: Path) -> None:
    file.write_text("source = 5\n[oauth]\n[lists]\nnam = 1\n[api]\ntimeout = 'long'\n")
    told = "\n".join(problems(file))
    assert "source must be a table: [source] on a line of its own" in told
    assert "oauth.client_id is missing" in told
    assert "did you mean names?" in told
    assert "api.timeout" in told


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("CONTACT_SYNC_SORCE__PATH", "x", "did you mean CONTACT_SYNC_SOURCE?"),
        ("contact_sync_sorce__path", "x", "did you mean CONTACT_SYNC_SOURCE?"),
        ("CONTACT_SYNC_CONFG", "x", "did you mean CONTACT_SYNC_CONFIG?"),
        ("CONTACT_SYNC_SOURCE__PAHT", "x", "did you mean path?"),
        ("CONTACT_SYNC_LISTS__NAMES", "One", "CONTACT_SYNC_LISTS__NAMES: lists and tables"),
        ("CONTACT_SYNC_SOURCE", "x.csv", "CONTACT_SYNC_SOURCE: lists and tables"),
        (
            "CONTACT_SYNC_SOURCE__CHUNK_ROWS",
            "many",
            "(from the environment variable CONTACT_SYNC_SOURCE__CHUNK_ROWS)",
        ),
    ],
)
def test_a_mistake_in_the_environment_is_told(
    file: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    monkeypatch.setenv(variable, value)
    told = problems(file)
    assert len(told) == 1
    assert words in told[0]


# --- the example, filled in -----------------------------------------------------------------------


def test_the_example_filled_in_as_init_says_is_valid(tmp_path: Path) -> None:
    text = (
        example()
        .replace('client_id = "your-api-key"', 'client_id = "abc"')
        .replace("# client_secret_file =", "client_secret_file =")
        .replace("# all_rows_have_consent = false", "all_rows_have_consent = true")
    )
    (tmp_path / "client_secret").write_text("s3cret")
    (tmp_path / "client_secret").chmod(0o600)
    file = tmp_path / "contact-sync.toml"
    file.write_text(text, encoding="utf-8")
    settings = load_settings(file)
    assert settings.client_secret == "s3cret"
    assert settings.consent.all_rows_have_consent
