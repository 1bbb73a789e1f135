"""Each way to a person, against a real server or a real program."""

import json
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sync.alerts import Alert, Kind, Topic
from sync.alerts.channels import Channel, NotDelivered, channels, ping
from sync.sandbox import Sandbox
from sync.settings import Settings
from tests.conftest import SettingsFor
from tests.integration.alerts.conftest import Posts

NOW = datetime(2026, 11, 24, 3, 31, tzinfo=UTC)
ALERT = Alert(
    Kind.FIRST,
    Topic.SYNC,
    "museum",
    "The guard stopped the run: 900 of 1,000 <changed> & more.",
    NOW,
    "host-1",
    "/reports/7.html",
)
PASSWORD = "the-password-of-the-mail-server"
SECRET_PATH = "/services/T000/B000/the-secret"


class Mailbox(MessageHandler):
    """Keeps what comes."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[Message] = []

    def handle_message(self, message: Message) -> None:
        self.messages.append(message)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of localhost with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2100, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "localhost.pem"
    encoding = serialization.Encoding.PEM
    file.write_bytes(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(encoding)
    )
    return file


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """The mail server's side of TLS; its certificate is among those that are trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


Mail = Callable[..., tuple[Mailbox, int]]


@pytest.fixture
def mail() -> Iterator[Mail]:
    started: list[Controller] = []

    def start(**options: Any) -> tuple[Mailbox, int]:
        mailbox = Mailbox()
        port = _free_port()
        controller = Controller(mailbox, hostname="127.0.0.1", port=port, **options)
        controller.start()
        started.append(controller)
        return mailbox, port

    yield start
    for controller in started:
        controller.stop()


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


@pytest.fixture
def alerting_with(settings_for: SettingsFor, sandbox: Sandbox) -> Callable[..., Settings]:
    def make(**alerts: object) -> Settings:
        return settings_for(sandbox, alerts=alerts)

    return make


AlertingWith = Callable[..., Settings]


def only(settings: Settings) -> Channel:
    [channel] = channels(settings)
    return channel


def by_mail(port: int, security: str, **more: object) -> dict[str, object]:
    return {
        "email_to": ["ops@example.com", "boss@example.com"],
        "email_from": "contact-sync@example.com",
        "smtp_host": "localhost",
        "smtp_port": port,
        "smtp_security": security,
        **more,
    }


def test_a_mail_says_all_in_plain_text(mail: Mail, alerting_with: AlertingWith) -> None:
    mailbox, port = mail()
    only(alerting_with(**by_mail(port, "none"))).send(ALERT)
    [message] = mailbox.messages
    assert message["Subject"] == "contact-sync museum: a person is needed"
    assert message["To"] == "ops@example.com, boss@example.com"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"]
    text = str(message.get_payload())
    for part in ("900 of 1,000 <changed> & more.", "/reports/7.html", "host-1", "museum"):
        assert part in text


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_mail_travels_encrypted_and_with_a_login(
    mail: Mail, alerting_with: AlertingWith, trusted: ssl.SSLContext, security: str
) -> None:
    logins: list[LoginPassword] = []

    def authenticator(*arguments: Any) -> AuthResult:
        logins.append(arguments[4])
        return AuthResult(success=True)

    options: dict[str, Any] = {"authenticator": authenticator, "auth_require_tls": True}
    if security == "starttls":
        options |= {"tls_context": trusted, "require_starttls": True}
    else:
        options |= {"ssl_context": trusted, "auth_require_tls": False}
    mailbox, port = mail(**options)
    settings = alerting_with(**by_mail(port, security, smtp_user="ops", smtp_password=PASSWORD))
    only(settings).send(ALERT)
    assert len(mailbox.messages) == 1
    assert logins == [LoginPassword(b"ops", PASSWORD.encode())]


def test_a_server_without_encryption_gets_neither_password_nor_alert(
    mail: Mail, alerting_with: AlertingWith
) -> None:
    mailbox, port = mail()
    settings = alerting_with(**by_mail(port, "starttls", smtp_user="ops", smtp_password=PASSWORD))
    with pytest.raises(NotDelivered) as failed:
        only(settings).send(ALERT)
    assert "did not take the alert" in str(failed.value)
    assert PASSWORD not in str(failed.value)
    assert mailbox.messages == []


def test_a_certificate_that_nobody_vouches_for_is_refused(
    mail: Mail, alerting_with: AlertingWith, certificate: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    mailbox, port = mail(ssl_context=context)
    with pytest.raises(NotDelivered, match="SSLCertVerificationError"):
        only(alerting_with(**by_mail(port, "tls"))).send(ALERT)
    assert mailbox.messages == []


def test_a_webhook_gets_the_alert_as_one_object(posts: Posts, alerting_with: AlertingWith) -> None:
    only(alerting_with(webhook_url=posts.url + SECRET_PATH)).send(ALERT)
    [(method, path, body)] = posts.requests
    assert (method, path) == ("POST", SECRET_PATH)
    said = json.loads(body)
    assert said["text"] == ALERT.text
    assert said["kind"] == "first"
    assert said["since"] == "2026-11-24T03:31:00+00:00"


def test_slack_and_teams_get_their_own_shapes(posts: Posts, alerting_with: AlertingWith) -> None:
    only(alerting_with(webhook_url=posts.url, webhook_shape="slack")).send(ALERT)
    only(alerting_with(webhook_url=posts.url, webhook_shape="teams")).send(ALERT)
    slack, teams = (json.loads(body) for _, _, body in posts.requests)
    assert slack["text"].startswith("*contact-sync museum: a person is needed*\n")
    assert "&lt;changed&gt; &amp; more" in slack["text"]
    [attachment] = teams["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert ALERT.text in [block["text"] for block in attachment["content"]["body"]]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_fails_is_told_without_its_address(
    posts: Posts, alerting_with: AlertingWith, status: int
) -> None:
    posts.status = status
    channel = only(alerting_with(webhook_url=posts.url + SECRET_PATH))
    with pytest.raises(NotDelivered) as failed:
        channel.send(ALERT)
    assert "the-secret" not in str(failed.value)
    assert len(posts.requests) == 1
    gone = only(alerting_with(webhook_url=f"http://127.0.0.1:1{SECRET_PATH}"))
    with pytest.raises(NotDelivered) as failed:
        gone.send(ALERT)
    assert "the-secret" not in str(failed.value)


def test_a_program_reads_the_alert_and_none_of_our_secrets(
    tmp_path: Path, alerting_with: AlertingWith, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.json"
    settings = alerting_with(
        command=[
            sys.executable,
            "-c",
            "import json, os, sys; "
            f"json.dump([json.load(sys.stdin), dict(os.environ)], open({str(out)!r}, 'w'))",
        ]
    )
    monkeypatch.setenv("CONTACT_SYNC_OAUTH__CLIENT_SECRET", "secret-of-ours")
    only(settings).send(ALERT)
    said, environment = json.loads(out.read_text())
    assert said["text"] == ALERT.text
    assert "secret-of-ours" not in environment.values()
    assert environment["PATH"]


@pytest.mark.parametrize("command", [["/there/is/none"], ["false"]])
def test_a_program_that_fails_is_told(alerting_with: AlertingWith, command: list[str]) -> None:
    with pytest.raises(NotDelivered, match=command[0]):
        only(alerting_with(command=command)).send(ALERT)


def test_the_dead_man_s_switch_is_called_with_one_id(posts: Posts) -> None:
    rid = UUID(int=7)
    for what in ("start", "", "fail"):
        ping(f"{posts.url}/uuid/", what, rid)
    paths = [path for _, path, _ in posts.requests]
    assert paths == [f"/uuid{part}?rid={rid}" for part in ("/start", "", "/fail")]
    posts.status = 500
    with pytest.raises(NotDelivered) as failed:
        ping(f"{posts.url}/the-uuid", "", rid)
    assert "the-uuid" not in str(failed.value)
