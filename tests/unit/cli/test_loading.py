"""Ctrl-C while the program is still loading."""

import sys

import pytest

from sync.cli import main
from sync.errors import ExitCode


class Impatient:
    """Presses Ctrl-C when the commands are being loaded."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == "sync.cli.app":
            raise KeyboardInterrupt


def test_an_interrupt_while_loading_is_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "sync.cli.app", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Impatient(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == ExitCode.BUSY
    assert capsys.readouterr().err == "Stopped.\n"
