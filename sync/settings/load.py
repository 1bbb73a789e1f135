"""Reading the configuration: the environment goes over credentials, those over the TOML file."""

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Self, get_args, get_origin

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from sync.errors import ConfigurationError
from sync.settings.options import (
    Account,
    Api,
    Consent,
    Duplicates,
    FieldMapping,
    Guard,
    Lists,
    OAuth,
    Report,
    Schedule,
    Source,
    State,
    Suppression,
    Vault,
    configuration_folder,
)

ENVIRONMENT_PREFIX = "CONTACT_SYNC_"
CONFIGURATION_VARIABLE = "CONTACT_SYNC_CONFIG"
# Read by the tests, not by the program.
OTHER_VARIABLES = (
    "CONTACT_SYNC_REQUIRE_ALL",
    "CONTACT_SYNC_TEST_POSTGRESQL",
    "CONTACT_SYNC_TEST_MARIADB",
)
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
    guard: Guard = Guard()
    state: State = Field(default_factory=State)
    report: Report = Field(default_factory=Report)
    schedule: Schedule = Schedule()

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
    def vault_key_file(self) -> Path:
        """Where the vault's key lies when it comes from a file."""
        return self.vault.key_file or self.state.directory / "vault.key"

    @property
    def state_url(self) -> str:
        """SQLAlchemy's address of the state database (may hold a password)."""
        if self.state.url is not None:
            return self.state.url.get_secret_value()
        return f"sqlite:///{self.state.directory / 'state.db'}"


def load_settings(path: Path | None = None) -> Settings:
    """Read the configuration from `path`, or from the first usual place where there is one.

    Raises ConfigurationError with every problem found, each with its place in the file.
    """
    file = path or _default_path()
    content = _read_toml(file)
    problems = _unknown_environment(os.environ)
    with _paths_relative_to(file.resolve().parent):
        try:
            # A missing section is reported as its missing options, which says more.
            settings = Settings(**{"oauth": {}, "source": {}, **content})
        except ValidationError as error:
            problems += [_sentence(detail) for detail in error.errors(include_url=False)]
        except SettingsError as error:
            problems.append(_no_json(error, os.environ))
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
            f"The secret file {path} can't be read: {_reason(error)}."
        ) from None
    if mode & 0o077:
        raise ConfigurationError(
            f"The secret file {path} can be read by others (mode {mode & 0o777:04o}): "
            f"run chmod 600 {path}."
        )
    if not secret:
        raise ConfigurationError(f"The secret file {path} is empty: put the secret into it.")
    return secret


def _default_path() -> Path:
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


def _read_toml(path: Path) -> dict[str, Any]:
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
    options = {"client_secret": "oauth", "vault_key": "vault", "source_password": "source"}
    found: dict[str, Any] = {}
    for name, section in options.items():
        file = Path(directory, name)
        if file.is_file():
            option = name.removeprefix("vault_").removeprefix("source_")
            found[section] = {option: _read_credential(file)}
    return found


def _read_credential(file: Path) -> str:
    try:
        secret = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"The systemd credential {file} can't be read: {_reason(error)}."
        ) from None
    if not secret:
        raise ConfigurationError(f"The systemd credential {file} is empty.")
    return secret


def _unknown_environment(environment: Mapping[str, str]) -> list[str]:
    """Variables with our prefix that set nothing: a typing error that would go unnoticed."""
    others = {CONFIGURATION_VARIABLE, *OTHER_VARIABLES}
    known = {*others, *(f"{ENVIRONMENT_PREFIX}{name.upper()}" for name in Settings.model_fields)}
    return [
        f"the environment variable {name} sets no option{_did_you_mean(whole, known)}"
        for name in environment
        for whole in [name.upper().partition("__")[0]]
        if whole.startswith(ENVIRONMENT_PREFIX) and whole not in known
    ]


def _no_json(error: SettingsError, environment: Mapping[str, str]) -> str:
    # The exception names only the section, so all that the environment sets of it is named.
    found = re.search(r'for field "(\w+)"', str(error))
    prefix = f"{ENVIRONMENT_PREFIX}{found[1] if found else ''}".upper()
    names = ", ".join(name for name in environment if name.upper().startswith(prefix))
    return (
        f"{names}: lists and tables are written as JSON in the environment, such as "
        f"""{ENVIRONMENT_PREFIX}LISTS__NAMES='["One", "Two"]'"""
    )


def _sentence(detail: ErrorDetails) -> str:
    path = [str(part) for part in detail["loc"]]
    name = ".".join(path)
    message = detail["msg"].removeprefix("Value error, ")
    match detail["type"]:
        case "extra_forbidden":
            said = f"{name} is not an option" + _did_you_mean(path[-1], _options_of(path[:-1]))
        case "missing":
            said = f"{name} is missing"
        case "model_type" | "dict_type":
            said = f"{name} must be a table: [{name}] on a line of its own, then its options"
        case _ if message.startswith(f"{name}."):
            said = message
        case _ if name and message.startswith(("must", "is ", "needs")):
            said = f"{name} {message}"
        case _:
            said = ": ".join(filter(None, [name, message]))
    variable = f"{ENVIRONMENT_PREFIX}{'__'.join(path)}".upper()
    given = any(variable == each.upper() for each in os.environ)
    return f"{said} (from the environment variable {variable})" if given else said


def _options_of(path: list[str]) -> Mapping[str, object]:
    """The options of a section, or of a table in one such as a field's mapping."""
    kind: Any = Settings
    for part in path:
        if get_origin(kind) is dict:
            kind = get_args(kind)[1]
            kind = get_args(kind)[0] if get_origin(kind) is Annotated else kind
        else:
            kind = kind.model_fields[part].annotation
    return kind.model_fields if isinstance(kind, type) and issubclass(kind, BaseModel) else {}


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(names)}"
