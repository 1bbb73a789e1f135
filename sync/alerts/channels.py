"""The ways to a person: e-mail, a webhook, a program; and the dead man's switch.

Sources: RFC 5321 and RFC 3207 for the mail; Slack's "Sending messages using incoming webhooks" and
Microsoft's "Create incoming webhooks" (an Adaptive Card) for the shapes; Healthchecks.io's pinging
API for the switch.
"""

import json
import os
import smtplib
import ssl
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from uuid import UUID

import requests

from sync.alerts.alert import Alert
from sync.settings import Settings

_PATIENCE = timedelta(seconds=20)
_TLS_VERSIONS = ssl.TLSVersion.TLSv1_2


class NotDelivered(Exception):
    """A channel did not take the alert; the text is a sentence without any secret."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A way to a person; `send` raises NotDelivered."""

    name: str
    send: Callable[[Alert], None]


def channels(settings: Settings) -> Iterator[Channel]:
    """The configured ways; raises ConfigurationError for a secret that can't be read."""
    alerts = settings.alerts
    if alerts.email_to:
        password = settings.smtp_password
        yield Channel("e-mail", lambda alert: _mail(settings, password, alert))
    if alerts.webhook_url is not None:
        url = alerts.webhook_url.get_secret_value()
        yield Channel("webhook", lambda alert: _call(url, alert, _SHAPES[alerts.webhook_shape]))
    if alerts.command:
        yield Channel("command", lambda alert: _run(alerts.command, alert))


def ping(url: str, what: str, rid: UUID) -> None:
    """Tell the dead man's switch that a sync began (start), ended well ("") or failed (fail).

    Nothing about contacts is in it. Raises NotDelivered.
    """
    try:
        address = f"{url.rstrip('/')}/{what}".rstrip("/")
        response = requests.get(
            address, params={"rid": str(rid)}, timeout=_PATIENCE.total_seconds()
        )
        response.raise_for_status()
    except requests.RequestException as error:
        raise NotDelivered(f"The dead man's switch did not answer ({_why(error)}).") from None


def _mail(settings: Settings, password: str | None, alert: Alert) -> None:
    alerts = settings.alerts
    message = EmailMessage()
    message["Subject"] = alert.title
    message["From"] = alerts.email_from
    message["To"] = ", ".join(alerts.email_to)
    message["Date"] = formatdate(usegmt=True)
    message["Message-ID"] = make_msgid("contact-sync")
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n\n".join(alert.lines) + "\n")
    try:
        with _connected(settings) as server:
            if alerts.smtp_user is not None:
                server.login(alerts.smtp_user, password or "")
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise NotDelivered(
            f"The mail server {alerts.smtp_host}:{alerts.smtp_port} did not take the alert "
            f"({type(error).__name__})."
        ) from None


def _connected(settings: Settings) -> smtplib.SMTP:
    alerts = settings.alerts
    host, patience = alerts.smtp_host or "", _PATIENCE.total_seconds()
    context = ssl.create_default_context()
    context.minimum_version = _TLS_VERSIONS
    if alerts.smtp_security == "tls":
        return smtplib.SMTP_SSL(host, alerts.smtp_port, timeout=patience, context=context)
    server = smtplib.SMTP(host, alerts.smtp_port, timeout=patience)
    if alerts.smtp_security == "starttls":
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
    return server


def _call(url: str, alert: Alert, shape: Callable[[Alert], object]) -> None:
    try:
        response = requests.post(
            url, json=shape(alert), timeout=_PATIENCE.total_seconds(), allow_redirects=False
        )
        response.raise_for_status()
        if response.is_redirect:
            raise NotDelivered("The webhook did not take the alert (it is elsewhere now).")
    except requests.RequestException as error:
        raise NotDelivered(f"The webhook did not take the alert ({_why(error)}).") from None


def _run(command: tuple[str, ...], alert: Alert) -> None:
    # The program is none of ours, so our secrets are none of its.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CONTACT_SYNC_") and name != "CREDENTIALS_DIRECTORY"
    }
    try:
        done = subprocess.run(
            command,
            input=json.dumps(as_json(alert)).encode(),
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE.total_seconds(),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotDelivered(
            f"The program {command[0]} could not be run for the alert ({type(error).__name__})."
        ) from None
    if done.returncode:
        raise NotDelivered(f"The program {command[0]} ended with {done.returncode} for the alert.")


def as_json(alert: Alert) -> dict[str, str]:
    """The alert as an object of texts."""
    return {
        "title": alert.title,
        "text": alert.text,
        "kind": alert.kind.value,
        "topic": alert.topic.value,
        "account": alert.account,
        "since": alert.since.isoformat(),
        "host": alert.host,
        "report": alert.report,
    }


def _slack(alert: Alert) -> object:
    # Slack's own marks are &, < and >.
    text = "\n".join((f"*{alert.title}*", *alert.lines))
    return {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}


def _teams(alert: Alert) -> object:
    blocks = [
        {"type": "TextBlock", "text": alert.title, "weight": "Bolder", "wrap": True},
        *({"type": "TextBlock", "text": line, "wrap": True} for line in alert.lines),
    ]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": blocks,
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "content": card}]}


_SHAPES: dict[str, Callable[[Alert], object]] = {
    "json": as_json,
    "slack": _slack,
    "teams": _teams,
}


def _why(error: requests.RequestException) -> str:
    # The exception's own text holds the address, which may be a secret.
    status = error.response.status_code if error.response is not None else None
    return f"HTTP {status}" if status else type(error).__name__
