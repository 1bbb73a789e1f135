"""The options about the page that shows how the worker stands."""

from pydantic import Field

from sync.settings.hosts import HostName
from sync.settings.section import Section


class Status(Section):
    """A read-only web page of the worker, with /healthz for a monitor and /metrics."""

    enabled: bool = Field(
        False,
        description="Serve it while the worker runs; needs the extra `status` "
        "(pip install 'contact-sync[status]').",
    )
    host: HostName = Field(
        "127.0.0.1",
        description="Where it listens. It knows no login: beyond this machine only behind a "
        "proxy that asks for one.",
    )
    port: int = Field(8089, ge=0, le=65535, description="Its port; 0 takes any free one.")
    host_names: tuple[str, ...] = Field(
        (),
        description="When it listens beyond this machine: the names by which it may be called. "
        "Default: any.",
        examples=[["sync.example.com"]],
    )
    show_reports: bool = Field(
        False,
        description="Link to the reports, which hold addresses of contacts.",
    )
