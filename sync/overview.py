"""What others see of the accounts in the worker's charge: a page, and a line for systemd."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from sync.charge import Charge
from sync.clock import Clock
from sync.errors import ConfigurationError
from sync.settings import Accounts
from sync.state.hosts import Host
from sync.status.facts import Facts, Standing, Unreadable
from sync.status.line import Doing, status_line
from sync.status.watched import View, Watched


class Overview:
    """Of all accounts as they were looked at last; of a single one as it is now."""

    def __init__(
        self,
        charges: Callable[[], Sequence[Charge]],
        accounts: Callable[[], Accounts],
        clock: Clock,
        hosts: Callable[[], Sequence[Host]] = tuple,
    ) -> None:
        self._charges = charges
        self._accounts = accounts
        self._clock = clock
        self._hosts = hosts

    def line(self) -> str:
        """What `systemctl status` shows."""
        charges = self._charges()
        doing = [
            Doing(each.name, each.syncing, each.live.shown, each.next, each.settings.schedule)
            for each in charges
        ]
        needed = len(self._unknown()) + sum(not each.standing.well for each in charges)
        return status_line(doing, many=self._accounts().many, needed=needed)

    def standings(self) -> Sequence[Standing]:
        """Every account; raises StateError for a single one that can't be read."""
        charges = self._charges()
        if not self._accounts().many:
            return [charge.view().facts for charge in charges]
        return [*map(_with_live, charges), *self._unknown()]

    def view(self, account: str) -> View | None:
        """One account as it is now; raises StateError."""
        return next((each.view() for each in self._charges() if each.name == account), None)

    @contextmanager
    def page(self) -> Iterator[None]:
        """Serve the page while the block runs, if it is wanted; raises ConfigurationError."""
        accounts = self._accounts()
        if not accounts.any_settings.status.enabled:
            yield
            return
        try:
            from sync.status.server import StatusServer
        except ModuleNotFoundError as missing:
            raise ConfigurationError(
                f"The status page needs {missing.name}: pip install 'contact-sync[status]', or set "
                "status.enabled = false."
            ) from None
        watched = Watched(
            settings=lambda: self._accounts().any_settings,
            many=accounts.many,
            standings=self.standings,
            view=self.view,
            hosts=self._hosts,
        )
        server = StatusServer(watched, self._clock)
        server.start()
        try:
            yield
        finally:
            server.stop()

    def _unknown(self) -> list[Standing]:
        """Accounts whose configuration was wrong whenever it was read."""
        known = {charge.name for charge in self._charges()}
        broken = self._accounts().broken.items()
        return [Unreadable(name, str(error)) for name, error in broken if name not in known]


def _with_live(charge: Charge) -> Standing:
    standing = charge.standing
    return replace(standing, live=charge.live.shown) if isinstance(standing, Facts) else standing
