"""A rehearsal: the user's source, mapping and lists against a fresh local Constant Contact.

All else is its own: the application, the key and the token pair, the state and the reports, in a
folder that is removed at the end. So nothing of the real ones is needed, read or changed.
"""

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import SecretStr

from sync.auth import authorize
from sync.auth.token_endpoint import TokenEndpoint
from sync.auth.vault import Vault, open_vault
from sync.cli.progress import watched
from sync.cli.sandbox import open_sandbox
from sync.cli.summary import show_stopped, show_summary
from sync.cli.terminal import complain, number, say
from sync.errors import ExitCode, GuardStopped, StopRequested
from sync.run import Run
from sync.sandbox import Sandbox, SandboxSettings
from sync.settings import Settings
from sync.settings.mapping import CustomRecipe
from sync.settings.options import OAuth, Report, State
from sync.settings.options import Vault as VaultOptions
from sync.state.runs import Runs
from sync.state.store import open_store
from sync.stop import Stop, stop_on_signals

# What says who is synced, and how. The other sections reach real places: a rehearsal has its own
# of them, or none.
TAKEN = (
    "account",
    "source",
    "mapping",
    "consent",
    "suppression",
    "duplicates",
    "lists",
    "tags",
    "guard",
    "observe",
    "verify",
    "gone",
)

# Nobody but a person can make these when the configuration doesn't say their choices or currency.
# A sandbox's field of the type beside them takes the same values.
_MADE_BY_A_PERSON = {"single_select": "string", "multi_select": "text_area", "currency": "currency"}

_PATIENCE = timedelta(minutes=5)
_UNLIMITED = 1_000
# Of the lists or tags that were made; the sandbox's page has them all.
_NAMED = 12


def rehearse(settings: Settings, *, port: int) -> int:
    """Sync once, show what came of it until Ctrl-C, and return the run's exit code.

    Raises the ContactSyncError that ended the run, unless it was the guard: then, too, there is
    a report to look at.
    """
    stop = Stop()
    stop_on_signals(stop)
    # The day's quota holds, since a first sync may exceed it; to wait for the rest shows nothing.
    limits = SandboxSettings(
        requests_per_second=None,
        token_calls_per_second=None,
        requests_per_day=settings.api.requests_per_day,
        start_delay=timedelta(0),
        processing_time=timedelta(0),
    )
    with TemporaryDirectory(prefix="contact-sync-rehearsal-") as folder:
        file = Path(folder, "sandbox.db")
        with open_sandbox(port=port, database=file, settings=limits) as sandbox:
            say(f"Rehearsing against a local Constant Contact at {sandbox.url}.", "green")
            own = rehearsal_settings(settings, sandbox, Path(folder))
            _make_what_only_a_person_can(settings, sandbox)
            there = {one.name for one in sandbox.people.lists()}
            try:
                code = _sync(own, sandbox, stop)
                _tell_what_was_made(settings, sandbox, there)
                _show(sandbox)
            except GuardStopped as stopped:
                code = stopped.exit_code
                complain(str(stopped))
                say(
                    "A rehearsal keeps no plan to approve: mend the source, or change [guard], and "
                    "rehearse again. The report is there until Ctrl-C; then all is removed."
                )
            except StopRequested:
                complain("The rehearsal was stopped before its end; nothing of it is kept.")
                return ExitCode.BUSY
            stop.wait()
    say("The rehearsal has ended, and its files are removed.")
    return code


def rehearsal_settings(settings: Settings, sandbox: Sandbox, folder: Path) -> Settings:
    """The user's configuration, moved into the dry world.

    Lists, tags and custom fields may be made there, whatever it says of the real account.
    """
    may_make = {
        "lists": settings.lists.model_copy(update={"create_missing": True}),
        "tags": settings.tags.model_copy(update={"create_missing": True}),
        "mapping": settings.mapping.model_copy(update={"create_missing_custom_fields": True}),
    }
    sections: dict[str, Any] = {name: getattr(settings, name) for name in TAKEN} | may_make
    # Constructed, since Settings(...) would let the environment go first.
    return Settings.model_construct(
        **sections,
        oauth=OAuth(
            client_id=sandbox.client_id,
            client_secret=SecretStr(sandbox.client_secret),
            authorize_url=sandbox.authorize_url,
            token_url=sandbox.token_url,
        ),
        vault=VaultOptions(),
        api=settings.api.model_copy(
            update={
                "base_url": sandbox.api_url,
                "requests_per_second": _UNLIMITED,
                # Whoever looks at an import first waits for its work, on a machine that does both.
                "timeout": max(settings.api.timeout, _PATIENCE),
            }
        ),
        state=State(directory=folder / "state"),
        report=Report(directory=folder / "reports"),
    )


def _sync(settings: Settings, sandbox: Sandbox, stop: Stop) -> int:
    with open_store(settings) as store:
        vault = open_vault(settings, store, create_key=True)
        _authorize(settings, sandbox, vault)
        try:
            with watched() as progress:
                recording = Run(settings, store, vault, stop=stop, progress=progress).sync()
        except GuardStopped:
            show_stopped(Runs(store, settings.account.name).last(1)[0])
            raise
    show_summary(recording)
    return recording.exit_code


def _authorize(settings: Settings, sandbox: Sandbox, vault: Vault) -> None:
    """Be the person who presses Allow."""
    request = authorize.begin(settings)
    code = authorize.code_from_pasted(request, sandbox.press_allow(request.url))
    answer = TokenEndpoint(settings).exchange_code(code, request.verifier)
    vault.keep(answer, encoded_account_id=sandbox.account.encoded_account_id)


def _is_made_by_a_person(recipe: CustomRecipe) -> bool:
    return recipe.type in _MADE_BY_A_PERSON and not (recipe.choices or recipe.currency)


def _make_what_only_a_person_can(settings: Settings, sandbox: Sandbox) -> None:
    for name, recipe in settings.mapping.custom_fields.items():
        if _is_made_by_a_person(recipe):
            sandbox.people.add_field(
                name,
                _MADE_BY_A_PERSON[recipe.type],
                metadata={"currency_code": "USD"} if recipe.type == "currency" else None,
            )


def _tell_what_was_made(settings: Settings, sandbox: Sandbox, there: set[str]) -> None:
    """Say what the real account must have, since no run will make it there."""
    say()
    lists = [f'"{one.name}"' for one in sandbox.people.lists() if one.name not in there]
    tags = [f'"{one.name}"' for one in sandbox.people.tags()]
    mapped = settings.mapping.custom_fields
    by_hand = [name for name, recipe in mapped.items() if _is_made_by_a_person(recipe)]
    fields = [name for name in mapped if name not in by_hand]
    if not settings.lists.create_missing:
        _tell_made("list", lists, "lists.create_missing")
    if not settings.tags.create_missing:
        _tell_made("tag", tags, "tags.create_missing")
    if not settings.mapping.create_missing_custom_fields:
        _tell_made("custom field", fields, "mapping.create_missing_custom_fields")
    _tell_made("custom field", by_hand, None)
    if by_hand:
        say(
            f"The choices or the currency of {', '.join(by_hand)} are not known here, so every "
            "value was taken; the real field takes its own only.",
            "yellow",
        )


def _tell_made(what: str, names: list[str], option: str | None) -> None:
    if not names:
        return
    several = len(names) > 1
    first, rest = names[:_NAMED], len(names) - _NAMED
    last = f"{rest} more" if rest > 0 else first.pop()
    named = f"{what}s {', '.join(first)} and {last} were" if several else f"{what} {last} was"
    otherwise = f", or set {option} = true" if option else ""
    say(
        f"The {named} made for this rehearsal: make {'them' if several else 'it'} in Constant "
        f"Contact before the first real sync{otherwise}.",
        "yellow",
    )


def _show(sandbox: Sandbox) -> None:
    held = number(sandbox.people.count(), "contact")
    say(f"An empty Constant Contact account would now hold {held}. Look at it in a browser:")
    say(f"  {sandbox.admin_url}/", "bold")
    say("It runs until Ctrl-C; then the sandbox, the report and the rejects file are removed.")
