"""The sample contacts show each kind of fault once, and nobody real."""

from pathlib import Path

import pandas as pd

from sync.contact.mapping import map_columns
from sync.contact.rules import Rules
from sync.contact.validation import check
from sync.settings.options import Consent, FieldMapping, Source
from sync.source import open_source

SAMPLE = Path(__file__).parents[3] / "config" / "sample_contacts.csv"


def test_the_sample_has_each_fault_once_and_reserved_domains_only() -> None:
    rules = Rules(
        Consent(all_rows_have_consent=True),
        FieldMapping.model_validate({"custom_fields": {"member_no": "Member No."}}),
    )
    source = open_source(Source(path=SAMPLE))
    mapping = map_columns(source.header, rules)
    assert mapping.unmapped == ()
    checked = [check(chunk, mapping, rules) for chunk in source.chunks()]
    contacts = pd.DataFrame(
        {
            name: [value for part in checked for value in part.contacts[name].to_pylist()]
            for name in ("email", "body")
        }
    )
    assert len(contacts) == 299
    assert contacts["email"].nunique() == 298
    assert contacts["email"].str.contains(r"[@.]example\.(?:com|org|net)$").all()
    assert [problem.code for part in checked for problem in part.problems] == [
        "email_invalid",
        "email_missing",
        "too_long_cut",
        "birthday_invalid",
    ]
    assert contacts["body"].str.contains('"zip":"0').any()
