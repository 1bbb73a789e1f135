"""Leaving one Constant Contact account for another under the same name.

What is known of the contacts, their lists and the imports is true of the account that was left.
Were it taken for the new one's, nothing would be sent there, and what waits in the outbox would
go to the wrong people. So it is put under a name of its own, which no configuration can bear.
"""

from sqlalchemy import update

from sync.state.schema import metadata, token_pair
from sync.state.store import Store
from sync.state.tokens import StoredPair

# So much of a name as leaves room for the rest of 64 characters.
_LONGEST = 24


def set_aside(store: Store, left: StoredPair) -> str:
    """Put all that the state holds for an account but its pair aside; return under what name.

    `left` is the pair of the account that is left; its generation makes the name unique. The
    caller holds the lock of the account's runs. Raises StateError.
    """
    name = f"{left.account[:_LONGEST]}@{str(left.encoded_account_id)[:_LONGEST]}#{left.generation}"
    with store.write() as connection:
        for table in metadata.sorted_tables:
            if table is not token_pair and "account" in table.c:
                here = table.c.account == left.account
                connection.execute(update(table).where(here).values(account=name))
    return name
