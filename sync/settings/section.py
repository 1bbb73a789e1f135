"""What all sections of the configuration share."""

from contextvars import ContextVar
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

# Relative paths start at the configuration file's folder, so that a service, whose working
# directory is another, finds the same files as a person.
configuration_folder: ContextVar[Path | None] = ContextVar("configuration folder", default=None)


def _from_folder(path: Path) -> Path:
    return (configuration_folder.get() or Path.cwd()) / path.expanduser()


ConfiguredPath = Annotated[Path, AfterValidator(_from_folder)]


class Section(BaseModel):
    """What all sections share: no unknown keys, no change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
