"""Telling people when they are needed, and when it is well again."""

from sync.alerts.alert import Alert, Kind, Topic, Trouble
from sync.alerts.alerting import Alerting
from sync.alerts.outcomes import (
    outcome_since,
    tell_configuration,
    tell_killed,
    tell_missed,
    tell_outcome,
    tell_pair,
    tell_silent,
    tell_state,
    tell_unauthorized,
    telling_outcome,
)

__all__ = [
    "Alert",
    "Alerting",
    "Kind",
    "Topic",
    "Trouble",
    "outcome_since",
    "tell_configuration",
    "tell_killed",
    "tell_missed",
    "tell_outcome",
    "tell_pair",
    "tell_silent",
    "tell_state",
    "tell_unauthorized",
    "telling_outcome",
]
