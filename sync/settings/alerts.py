"""The options about telling people that they are needed."""

import datetime as dt
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from sync.settings.hosts import HostName, SecretWebAddress
from sync.settings.section import ConfiguredPath, Section


class Alerts(Section):
    """How people are told that they are needed, and when it is well again."""

    remind_every: dt.timedelta = Field(
        dt.timedelta(days=3),
        ge=dt.timedelta(hours=1),
        description="What goes on is told again after so long. Seconds, or an ISO 8601 duration.",
    )
    email_to: tuple[str, ...] = Field(
        (),
        description="Who gets the alerts by e-mail; needs smtp_host and email_from.",
        examples=[["ops@example.com"]],
    )
    email_from: str | None = Field(
        None, description="The sender's address.", examples=["contact-sync@example.com"]
    )
    smtp_host: HostName | None = Field(
        None, description="The mail server (SMTP).", examples=["mail.example.com"]
    )
    smtp_port: int = Field(
        587, ge=1, le=65535, description="Its port: usually 587 with starttls, 465 with tls."
    )
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls",
        description="starttls begins in the clear and refuses to go on so; tls is encrypted from "
        "the first byte; none is for a server on this machine.",
    )
    smtp_user: str | None = Field(
        None, description="The name to log in with, if the server asks for one.", examples=["ops"]
    )
    smtp_password: SecretStr | None = Field(
        None,
        description="Its password. Better kept out of this file: in the environment, in "
        "smtp_password_file, or as the systemd credential `smtp_password`.",
        examples=["your-password"],
    )
    smtp_password_file: ConfiguredPath | None = Field(
        None,
        description="A file that holds only the password; mode 0600.",
        examples=["smtp_password"],
    )
    webhook_url: SecretWebAddress | None = Field(
        None,
        description="An address that gets each alert by POST. It is a secret where it lets anybody "
        "write: in the environment, or as the systemd credential `webhook_url`.",
        examples=["https://hooks.example.com/services/T000/B000/XXXX"],
    )
    webhook_shape: Literal["json", "slack", "teams"] = Field(
        "json",
        description="What it gets: json is all of it as one object; slack and teams are messages "
        "of these services' incoming webhooks.",
    )
    ping_url: SecretWebAddress | None = Field(
        None,
        description="A dead man's switch in the manner of Healthchecks.io: the address is called "
        "after each sync that ended well, with /start before it, and with /fail when it failed "
        "for good. Who misses the calls tells you, even when this machine is gone. Also as the "
        "systemd credential `ping_url`.",
        examples=["https://hc-ping.com/your-uuid"],
    )
    command: tuple[str, ...] = Field(
        (),
        description="A program with its arguments that is run for each alert, without a shell; it "
        "reads the alert as one JSON object from its standard input.",
        examples=[["/usr/local/bin/page-somebody", "--quietly"]],
    )

    @model_validator(mode="after")
    def _whole_email(self) -> Self:
        if self.email_to and not (self.smtp_host and self.email_from):
            raise ValueError("alerts.email_to needs alerts.smtp_host and alerts.email_from")
        return self
