"""Hosts in the configuration: what can't be one is told before anybody is asked for its address."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr

# The parts that SQLAlchemy finds in an address
# (https://docs.sqlalchemy.org/en/21/core/engines.html#database-urls).
_DATABASE = re.compile(
    r"[\w+]+://(?:[^:/]*(?::[^@]*)?@)?(?:\[[^/?]+\]|(?P<host>[^/:?]*))(?::\d+)?(?:[/?].*)?",
    re.DOTALL,
)


def _host(name: str) -> str:
    try:
        # As Python does before it resolves a name, with an error that is no OSError.
        name.encode("idna")
    except UnicodeError:
        raise ValueError(
            "needs another host: between the dots of its name are 1 to 63 letters, digits and "
            "hyphens"
        ) from None
    return name


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 (looked at for its ValueError)
    except ValueError:
        raise ValueError("is no address: it is https://, a host, and a port if need be") from None
    _host(parts.hostname or "")
    return url


def _secret_address(url: SecretStr) -> SecretStr:
    _address(url.get_secret_value())
    return url


def _database(url: SecretStr) -> SecretStr:
    parts = _DATABASE.fullmatch(url.get_secret_value())
    if parts is None:
        raise ValueError(
            "must be a database's address, such as postgresql+psycopg://USER@HOST:PORT/DATABASE"
        )
    _host(parts["host"] or "")
    return url


HostName = Annotated[str, AfterValidator(_host)]
WebAddress = Annotated[str, AfterValidator(_address)]
SecretWebAddress = Annotated[SecretStr, AfterValidator(_secret_address)]
DatabaseAddress = Annotated[SecretStr, AfterValidator(_database)]
