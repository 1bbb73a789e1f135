"""The key is exchanged while processes renew with it."""

from sync.auth.rotation import rotate_key
from sync.state.store import open_store
from tests.faults import program
from tests.faults.conftest import Home


def test_the_key_may_be_exchanged_while_others_renew(home: Home) -> None:
    pipes = [home.context.Pipe() for _ in range(3)]
    workers = [home.start(program.renew_again_and_again, 10, theirs) for _, theirs in pipes]
    with open_store(home.settings) as store:
        while any(worker.is_alive() for worker in workers):
            rotate_key(home.settings, store)
            for worker in workers:
                worker.join(0.02)
    assert [ours.recv() for ours, _ in pipes] == [[], [], []]
    assert home.works(home.vault().access_token())
