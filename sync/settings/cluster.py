"""The options about several hosts."""

from pydantic import Field

from sync.settings.section import Section


class Cluster(Section):
    """Several hosts that share the work on the accounts; see sync/cluster/README.md."""

    enabled: bool = Field(
        False,
        description="This worker is one of any number, on any hosts, with the same configuration; "
        "needs a PostgreSQL database in state.url and the extra `cluster` "
        "(pip install 'contact-sync[cluster]').",
    )
