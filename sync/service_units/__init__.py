"""The units of systemd that run contact-sync, for one installation.

The texts lie beside this module; `systemd/` holds what they are for the usual places.
"""

from sync.service_units.installation import (
    ALERT,
    CLUSTER,
    ONCE,
    TIMER,
    WORKER,
    Installation,
    by_hand,
    units,
)

__all__ = ["ALERT", "CLUSTER", "ONCE", "TIMER", "WORKER", "Installation", "by_hand", "units"]
