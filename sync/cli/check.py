"""`contact-sync check`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

import typer

from sync.check import Check
from sync.cli import cluster
from sync.cli.everyone import for_each
from sync.cli.options import AccountOption, ConfigOption, accounts_of
from sync.cli.terminal import number, output, say
from sync.errors import ExitCode, urgency, worst
from sync.settings import Accounts, Settings
from sync.surroundings import Finding


def command(
    context: typer.Context, config: ConfigOption = None, account: AccountOption = None
) -> None:
    """Look at everything that can be wrong.

    This machine: the configuration, the state, secrets, disks, the schedule and its time zone, how
    people are told, the status page, the service; the source and its columns; the token's age and
    scopes; the API, the user's privileges, the clock, the account, its lists, tags and fields.
    With [cluster]: its extra, its database, its queue and its hosts. Each is a line, with what to
    do about it. Nothing is sent; an expired access token is renewed. Exits with the first problem's
    code, or 0; a warning (!) is no problem. Of a configuration folder every account is looked at,
    and the worst of their codes is the exit code.
    """
    accounts = accounts_of(context, config, account)
    if accounts.many:
        raise typer.Exit(int(_check_all(accounts)))
    settings = accounts.any_settings
    found = []
    own = Check(settings, accounts.files(settings.account.name)).findings()
    for finding in chain(own, cluster.look(accounts)):
        _show(finding)
        found.append(finding)
    raise typer.Exit(int(_first_problem(found)))


_WELL, _WARNING, _BAD = ("✓", "green"), ("!", "yellow"), ("✗", "red")


@dataclass(frozen=True, slots=True)
class _Looked:
    """What was found of an account."""

    account: str
    found: Sequence[Finding]

    @property
    def ill(self) -> list[Finding]:
        return [finding for finding in self.found if not finding.well]

    @property
    def exit_code(self) -> ExitCode:
        return _first_problem(self.found)


def _check_all(accounts: Accounts) -> ExitCode:
    """Every account, those first that need a person; of those that are well a line each."""
    looked = [
        _Looked(name, [Finding("configuration", str(error), error.exit_code)])
        for name, error in accounts.broken.items()
    ]
    looked += for_each(accounts, partial(_look, accounts))
    shared = list(cluster.look(accounts)) if accounts.settings else []
    if shared:
        say("The cluster:", "bold")
        for finding in shared:
            _show(finding, indent="  ")
    everywhere = _in_all(looked)
    if everywhere:
        say(f"All {number(len(looked), 'account')}:", "bold")
        for finding in everywhere:
            _show(finding, indent="  ")
    for one in sorted(looked, key=_need):
        own = [finding for finding in one.ill if finding not in everywhere]
        if not own:
            mark, style = _WELL if one.exit_code is ExitCode.DONE else _BAD
            output.print(mark, style=style, end=" ")
            say(f"{one.account}: {number(len(one.found), 'thing')} looked at")
            continue
        say(f"{one.account}:", "bold")
        for finding in own:
            _show(finding, indent="  ")
    return worst([_first_problem(shared), *(one.exit_code for one in looked)])


def _look(accounts: Accounts, settings: Settings) -> _Looked:
    name = settings.account.name
    return _Looked(name, list(Check(settings, accounts.files(name)).findings()))


def _in_all(looked: Sequence[_Looked]) -> list[Finding]:
    """What is wrong with each of several accounts in the same words: it is told once."""
    if len(looked) == 1:
        return []
    return [each for each in looked[0].ill if all(each in other.ill for other in looked)]


def _need(looked: _Looked) -> tuple[int, bool, str]:
    return urgency(looked.exit_code), not looked.ill, looked.account


def _first_problem(found: Sequence[Finding]) -> ExitCode:
    problems = (each.exit_code for each in found if each.exit_code is not ExitCode.DONE)
    return next(problems, ExitCode.DONE)


def _show(finding: Finding, indent: str = "") -> None:
    mark, style = _mark(finding)
    output.print(f"{indent}{mark}", style=style, end=" ")
    output.print(f"{finding.what}: {finding.sentence}")


def _mark(finding: Finding) -> tuple[str, str]:
    if finding.well:
        return _WELL
    return _WARNING if finding.warning else _BAD
