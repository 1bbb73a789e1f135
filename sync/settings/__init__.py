"""The configuration, and the only reader of it."""

from sync.settings.accounts import (
    DEFAULTS,
    Accounts,
    account_files,
    load_account,
    load_accounts,
    load_alert_settings,
)
from sync.settings.load import (
    CREDENTIALS,
    DEFAULT_PATHS,
    Settings,
    default_path,
    load_settings,
    read_secret_file,
)

__all__ = [
    "CREDENTIALS",
    "DEFAULTS",
    "DEFAULT_PATHS",
    "Accounts",
    "Settings",
    "account_files",
    "default_path",
    "load_account",
    "load_accounts",
    "load_alert_settings",
    "load_settings",
    "read_secret_file",
]
