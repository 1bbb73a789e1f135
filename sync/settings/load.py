"""Reading the configuration: the environment goes over credentials, those over the TOML file."""

import os
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from sync.errors import ConfigurationError
from sync.settings.alerts import Alerts
from sync.settings.cluster import Cluster
from sync.settings.feedback import Feedback, Observe
from sync.settings.options import (
    Account,
    Api,
    Consent,
    Duplicates,
    FieldMapping,
    Gone,
    Guard,
    Lists,
    OAuth,
    Report,
    Schedule,
    Source,
    State,
    Suppression,
    Tags,
    Vault,
    Verify,
    configuration_folder,
)
from sync.settings.problems import Location, no_json, sentence, unknown_environment
from sync.settings.status import Status
from sync.settings.worker import Worker

ENVIRONMENT_PREFIX = "CONTACT_SYNC_"
CONFIGURATION_VARIABLE = "CONTACT_SYNC_CONFIG"
# Besides the options'; all but the first are read by the tests, not by the program.
_OTHERS = (
    CONFIGURATION_VARIABLE,
    "CONTACT_SYNC_REQUIRE_ALL",
    "CONTACT_SYNC_TEST_POSTGRESQL",
    "CONTACT_SYNC_TEST_MARIADB",
)
# The section and the option that a systemd credential sets.
CREDENTIALS = {
    "client_secret": ("oauth", "client_secret"),
    "vault_key": ("vault", "key"),
    "source_password": ("source", "password"),
    "feedback_password": ("feedback", "password"),
    "smtp_password": ("alerts", "smtp_password"),
    "webhook_url": ("alerts", "webhook_url"),
    "ping_url": ("alerts", "ping_url"),
    "state_url": ("state", "url"),
}
DEFAULT_PATHS = (Path("contact-sync.toml"), Path("/etc/contact-sync/contact-sync.toml"))


class Settings(BaseSettings):
    """The whole configuration, checked."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter="__",
    )

    account: Account = Account()
    oauth: OAuth
    vault: Vault = Vault()
    api: Api = Api()
    source: Source
    mapping: FieldMapping = FieldMapping()
    consent: Consent = Consent()
    suppression: Suppression = Suppression()
    duplicates: Duplicates = Duplicates()
    lists: Lists = Lists()
    tags: Tags = Tags()
    guard: Guard = Guard()
    observe: Observe = Observe()
    verify: Verify = Verify()
    gone: Gone = Gone()
    feedback: Feedback = Feedback()
    state: State = Field(default_factory=State)
    report: Report = Field(default_factory=Report)
    schedule: Schedule = Schedule()
    alerts: Alerts = Alerts()
    status: Status = Status()
    worker: Worker = Worker()
    cluster: Cluster = Cluster()

    @model_validator(mode="after")
    def _some_list(self) -> Self:
        if not self.lists.names and self.lists.column is None:
            raise ValueError("lists.names is empty: name at least one list, or set lists.column")
        return self

    @model_validator(mode="after")
    def _whole_source(self) -> Self:
        changed = self.source.changed_column
        if changed is not None and changed != self.duplicates.column:
            # Else a row that is read alone would win over one that a full read prefers.
            raise ValueError(
                f'source.changed_column needs duplicates.keep = "newest" and '
                f'duplicates.column = "{changed}"'
            )
        if self.suppression.query is not None and self.source.url is None:
            raise ValueError("suppression.query needs a database in source.url")
        return self

    @model_validator(mode="after")
    def _state_of_a_cluster(self) -> Self:
        if self.cluster.enabled and not self.state_url.startswith("postgresql"):
            raise ValueError("cluster.enabled needs a PostgreSQL database in state.url")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (pydantic-settings' signature)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment goes before credentials, credentials before the file."""
        credentials = InitSettingsSource(settings_cls, _systemd_credentials())
        return env_settings, credentials, init_settings

    @property
    def client_secret(self) -> str:
        """OAuth 2.0's client_secret; raises ConfigurationError when none is given."""
        if self.oauth.client_secret is not None:
            return self.oauth.client_secret.get_secret_value()
        if self.oauth.client_secret_file is not None:
            return read_secret_file(self.oauth.client_secret_file)
        raise ConfigurationError(
            "The application's secret is not set: put it into a file of mode 0600 named by "
            "oauth.client_secret_file, or into CONTACT_SYNC_OAUTH__CLIENT_SECRET."
        )

    @property
    def source_password(self) -> str | None:
        """The password of the source's database, when it is not in its address."""
        if self.source.password is not None:
            return self.source.password.get_secret_value()
        if self.source.password_file is not None:
            return read_secret_file(self.source.password_file)
        return None

    @property
    def feedback_password(self) -> str | None:
        """The password of the feedback's database, when it is not in its address."""
        if self.feedback.password is not None:
            return self.feedback.password.get_secret_value()
        if self.feedback.password_file is not None:
            return read_secret_file(self.feedback.password_file)
        return None

    @property
    def smtp_password(self) -> str | None:
        """The password for the mail server."""
        if self.alerts.smtp_password is not None:
            return self.alerts.smtp_password.get_secret_value()
        if self.alerts.smtp_password_file is not None:
            return read_secret_file(self.alerts.smtp_password_file)
        return None

    @property
    def vault_key_file(self) -> Path:
        """Where the vault's key lies when it comes from a file."""
        return self.vault.key_file or self.state.directory / "vault.key"

    @property
    def state_url(self) -> str:
        """SQLAlchemy's address of the state database (may hold a password)."""
        if self.state.url is not None:
            return self.state.url.get_secret_value()
        return f"sqlite:///{self.state.directory / 'state.db'}"

    @property
    def shared_state_url(self) -> str:
        """That of the database where the application's requests are counted."""
        if self.state.url is not None or self.state.shared_directory is None:
            return self.state_url
        return f"sqlite:///{self.state.shared_directory / 'state.db'}"


def load_settings(path: Path | None = None, *, with_application: bool = True) -> Settings:
    """Read the configuration from `path`, or from the first usual place where there is one.

    Without an application, for a rehearsal, oauth.client_id need not be given.

    Raises ConfigurationError with every problem found, each with its place in the file.
    """
    file = path or default_path()
    content = read_toml(file)
    return checked(file, content if with_application else rehearsable_content(content))


def rehearsable_content(content: dict[str, Any]) -> dict[str, Any]:
    """A configuration's content with an application, if it has none."""
    oauth = content.get("oauth", {})
    return (
        {**content, "oauth": {"client_id": "none", **oauth}} if isinstance(oauth, dict) else content
    )


def alert_content(content: dict[str, Any]) -> dict[str, Any]:
    """Of a configuration's content what is needed to tell people, and nothing that may be wrong."""
    return {
        "oauth": {"client_id": "none"},
        "source": {"path": "none"},
        "lists": {"names": ["none"]},
        **{name: content.get(name, {}) for name in ("account", "alerts", "state")},
    }


def checked(
    file: Path, content: dict[str, Any], place: Callable[[Location], str] = lambda _: ""
) -> Settings:
    """The settings of a content; raises ConfigurationError, with all problems.

    `place` tells what to say of where a value is, when that is not `file`.
    """
    problems = unknown_environment(Settings, ENVIRONMENT_PREFIX, _OTHERS, os.environ)
    with _paths_relative_to(file.resolve().parent):
        try:
            # A missing section is reported as its missing options, which says more.
            settings = Settings(**{"oauth": {}, "source": {}, **content})
        except ValidationError as error:
            problems += [
                sentence(Settings, ENVIRONMENT_PREFIX, detail) + place(detail["loc"])
                for detail in error.errors(include_url=False)
            ]
        except SettingsError as error:
            problems.append(no_json(ENVIRONMENT_PREFIX, error, os.environ))
    if problems:
        raise ConfigurationError(f"The configuration {file} is wrong:", tuple(problems))
    return settings


def read_secret_file(path: Path) -> str:
    """The secret that a file holds; raises ConfigurationError when others can read the file."""
    try:
        mode = path.stat().st_mode
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"The secret file {path} can't be read: {_reason(error)}. Put the secret there, and "
            "let this user alone read the file."
        ) from None
    if mode & 0o077:
        raise ConfigurationError(
            f"The secret file {path} can be read by others (mode {mode & 0o777:04o}): "
            f"run chmod 600 {path}."
        )
    if not secret:
        raise ConfigurationError(f"The secret file {path} is empty: put the secret into it.")
    return secret


def default_path() -> Path:
    """The configuration that is read when none is named; raises ConfigurationError."""
    if named := os.environ.get(CONFIGURATION_VARIABLE):
        return Path(named)
    for path in DEFAULT_PATHS:
        if path.exists():
            return path
    places = " nor ".join(str(path) for path in DEFAULT_PATHS)
    raise ConfigurationError(
        f"There is no configuration: neither {places} exists; name one with --config PATH, or "
        "write one with contact-sync init."
    )


def read_toml(path: Path) -> dict[str, Any]:
    """What a file says; raises ConfigurationError when it can't be read, or is no TOML."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"The configuration {path} can't be read: {_reason(error)}; name another with "
            "--config PATH, or write one with contact-sync init."
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"The configuration {path} is not valid TOML: {error}.") from None


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


@contextmanager
def _paths_relative_to(folder: Path) -> Iterator[None]:
    token = configuration_folder.set(folder)
    try:
        yield
    finally:
        configuration_folder.reset(token)


def _systemd_credentials() -> dict[str, Any]:
    """Secrets that systemd hands over as files (systemd.exec(5), LoadCredential=)."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        return {}
    found: dict[str, Any] = {}
    for name, (section, option) in CREDENTIALS.items():
        secret = _read_credential(Path(directory, name))
        if secret is not None:
            found.setdefault(section, {})[option] = secret
    return found


def _read_credential(file: Path) -> str | None:
    try:
        secret = file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"The systemd credential {file} can't be read: {_reason(error)}."
        ) from None
    if not secret:
        raise ConfigurationError(f"The systemd credential {file} is empty.")
    return secret
