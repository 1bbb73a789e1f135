"""The configuration, and the only reader of it."""

from sync.settings.load import DEFAULT_PATHS, Settings, load_settings, read_secret_file

__all__ = ["DEFAULT_PATHS", "Settings", "load_settings", "read_secret_file"]
