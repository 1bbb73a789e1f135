"""The open questions: settings that stand for something nobody knows of the real service.

A client should be right under every answer; `other_answers` gives the settings to try it with.
"""

from __future__ import annotations

from datetime import timedelta

from sync.sandbox.settings import (
    SandboxSettings,
    as_text,
    choices,
    with_change,
    write_value,
)

CLOSED_SETS = (
    "state_required",
    "code_reuse_revokes",
    "refresh_token_kind",
    "new_pair_kills_access_token",
    "second_consent_kills_earlier",
    "refresh_reuse_revokes",
    "refused_calls_count",
    "token_calls_count",
    "throttle_body",
    "import_status",
    "counts_in_first_answer",
    "activity_errors_shape",
    "activity_errors_text",
    "header_row_counted",
    "correctable_in_errors",
    "all_rejected",
    "oversize_import",
    "import_email_max",
    "import_phone_max",
    "custom_fields_per_contact",
    "home_country_key",
    "unknown_custom_field",
    "unknown_import_property",
    "empty_string_in_import",
    "null_in_import",
    "unsubscribed_fields_updated",
    "deleted_on_import",
    "held_on_import",
    "duplicates_in_import",
    "email_case",
    "stored_email_case",
    "typed_values",
    "select_in_import",
    "import_downgrades_explicit",
    "list_removal_on_import",
    "welcome_mail_on_import",
    "unknown_list_on_import",
    "list_removal_moves_updated_at",
    "delete_moves_updated_at",
    "add_unsubscribed_to_lists",
    "remove_list_limits",
    "confirmed_opt_in",
    "sign_up_email_max",
    "sign_up_fields_max",
    "segment_accepted_first",
    "paging",
    "state_filter",
    "lists_limit_max",
    "nested_tag_links",
    "choice_id_form",
    "anonymous_status",
)
"""Questions whose possible answers are all values of their setting."""

EXAMPLES: dict[str, tuple[object, ...]] = {
    "expires_in": (timedelta(hours=2), timedelta(hours=8)),
    "refresh_idle_limit": (None,),
    "rotation_grace": (timedelta(seconds=30),),
    "import_bytes_limit": (4 * 2**20,),
    "retry_after": (1,),
}
"""Questions with too many possible answers, and those worth trying."""


def other_answers(base: SandboxSettings) -> list[tuple[str, SandboxSettings]]:
    """(name=value, settings) for each answer to each open question that `base` does not give."""
    given = as_text(base)
    answers = {name: choices(name) for name in CLOSED_SETS} | {
        name: [write_value(value) for value in values] for name, values in EXAMPLES.items()
    }
    return [
        (f"{name}={text}", with_change(base, name, text))
        for name, texts in answers.items()
        for text in texts
        if given[name] != text
    ]
