"""What an account's state becomes when the account is left for another."""

from datetime import timedelta

from sync.clock import utc_now
from sync.state.runs import Runs
from sync.state.set_aside import set_aside
from sync.state.store import Store
from sync.state.tokens import StoredPair, read_pair, replace_pair


def test_all_but_the_pair_is_under_another_name(store: Store) -> None:
    name = "a" * 64
    now = utc_now()
    pair = StoredPair(
        account=name,
        generation=7,
        access_token="sealed",
        refresh_token="sealed too",
        scope="contact_data",
        issued_at=now,
        expires_at=now + timedelta(days=1),
        encoded_account_id="a07e1hik9xn",
        host="here/machine-1",
        client_id="an-application",
        token_url="https://authz.example/token",
    )
    replace_pair(store, pair)
    run = Runs(store, name).begin(now, dry_run=False)
    other = Runs(store, "other").begin(now, dry_run=False)
    aside = set_aside(store, pair)
    assert Runs(store, name).last(5) == []
    assert [record.id for record in Runs(store, aside).last(5)] == [run]
    assert [record.id for record in Runs(store, "other").last(5)] == [other]
    assert read_pair(store, name) is not None
    assert read_pair(store, aside) is None
