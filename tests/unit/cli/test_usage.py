"""What the command line answers to what it doesn't understand, and what `init` writes."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from sync.cli import main
from sync.errors import ExitCode
from sync.settings import load_settings

Called = tuple[int, str, str]
Call = Callable[..., Called]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Call the program in this process: (exit code, output, errors)."""

    def run(*arguments: str) -> Called:
        monkeypatch.setattr("sys.argv", ["contact-sync", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return ended.value.code, *capsys.readouterr()

    return run


USAGE = {
    ("--nonsense",): "No such option: --nonsense.",
    ("--confg", "x"): "--config",
    ("chek",): "Did you mean 'check'?",
    ("check", "--verbose"): "It goes before the command.",
    ("check", "--run-now"): "No such option: --run-now",
    ("--run-now", "--dry-run"): "exclude each other",
    ("--run-now", "status"): "don't go with the command status",
    ("--run-now", "--wait", "soon"): "Invalid value for '--wait'",
    ("--run-now", "--wait", "-1"): "Invalid value for '--wait'",
    ("tokens",): "Missing command: export or import.",
    ("tokens", "import"): "Missing argument 'FILE'.",
    ("sandbox", "--port", "x"): "Invalid value for '--port'",
    ("sandbox", "--port", "99999"): "Invalid value for '--port'",
    ("sandbox", "--database", "/nowhere/sandbox.db"): "/nowhere/sandbox.db can't be used",
    ("demo", "--folder", "/proc/demo"): "/proc/demo can't be made",
}


@pytest.mark.parametrize("arguments", USAGE, ids=" ".join)
def test_a_wrong_command_line_is_a_sentence(call: Call, arguments: tuple[str, ...]) -> None:
    code, out, err = call(*arguments)
    assert code == ExitCode.USAGE
    assert USAGE[arguments] in err
    assert len(err.strip().splitlines()) == 1
    assert out == ""


def test_a_port_in_use_is_told(call: Call) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        code, _, err = call("sandbox", "--port", str(listener.getsockname()[1]))
    assert code == ExitCode.USAGE
    assert "Address already in use" in err


def test_init_writes_a_configuration_once(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "contact-sync.toml"
    code, out, _ = call("init", str(file))
    assert code == ExitCode.DONE
    assert "oauth.client_id" in out
    assert file.stat().st_mode & 0o077 == 0
    load_settings(file)

    file.write_text("mine")
    code, _, err = call("init", str(file))
    assert code == ExitCode.USAGE
    assert "was not touched" in err
    assert file.read_text() == "mine"


def test_init_says_when_it_cannot_write(call: Call, tmp_path: Path) -> None:
    code, _, err = call("init", str(tmp_path / "missing" / "contact-sync.toml"))
    assert code == ExitCode.CONFIGURATION
    assert "can't be written" in err


def test_a_fault_is_a_sentence_and_with_verbose_a_traceback(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("unexpected")

    monkeypatch.setattr("sync.settings.default_path", fail)
    code, out, err = call("status")
    assert code == ExitCode.BUG
    assert "This is a fault in contact-sync (ValueError)" in err
    assert "Traceback" not in err + out
    code, out, err = call("--verbose", "status")
    assert code == ExitCode.BUG
    assert "Traceback" in err + out


def test_an_interrupted_question_ends_in_peace(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sync.settings.default_path", interrupt)
    assert call("status") == (ExitCode.BUSY, "", "Stopped.\n")
