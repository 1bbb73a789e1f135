"""What the configuration says about contacts, in one value that mapping and checking share."""

from dataclasses import dataclass, field

from sync.contact.suppression import Suppressed
from sync.errors import ConfigurationError
from sync.settings import Settings
from sync.settings.options import Consent, Duplicates, FieldMapping, Lists, Tags


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one run; `key_column` is shown beside rows that are told of."""

    consent: Consent
    mapping: FieldMapping = field(default_factory=FieldMapping)
    lists: Lists = field(default_factory=Lists)
    tags: Tags = field(default_factory=Tags)
    duplicates: Duplicates = field(default_factory=Duplicates)
    key_column: str | None = None
    suppressed: Suppressed = field(default_factory=Suppressed)

    @property
    def further_columns(self) -> tuple[str, ...]:
        """The source columns that decide about a row without being one of its fields."""
        columns = (
            self.lists.column,
            self.tags.column,
            self.consent.column,
            self.duplicates.column,
            self.key_column,
        )
        return tuple(column for column in columns if column is not None)

    @property
    def say_who_agreed(self) -> bool:
        """Whether the configuration says who agreed to be written to."""
        return self.consent.column is not None or self.consent.all_rows_have_consent

    def refuse_without_consent(self) -> None:
        """Raise ConfigurationError when nobody said who agreed to be written to."""
        if not self.say_who_agreed:
            raise ConfigurationError(
                "The configuration doesn't say who agreed to be written to, and without that "
                "nobody is sent: set consent.column and consent.values, or declare "
                "consent.all_rows_have_consent = true."
            )


def rules_of(settings: Settings, suppressed: Suppressed | None = None) -> Rules:
    """The rules that the configuration names."""
    return Rules(
        consent=settings.consent,
        mapping=settings.mapping,
        lists=settings.lists,
        tags=settings.tags,
        duplicates=settings.duplicates,
        key_column=settings.source.key_column,
        suppressed=suppressed or Suppressed(),
    )
