"""The options about the worker, which is one for all accounts of a configuration folder."""

from pydantic import Field

from sync.settings.section import Section


class Worker(Section):
    """How much the worker does at once, where it has many accounts."""

    parallel_runs: int = Field(
        4,
        ge=1,
        le=64,
        description="So many accounts may be synced at the same time; each run mostly waits for "
        "its source and for Constant Contact. One that hangs keeps one of these places.",
    )
