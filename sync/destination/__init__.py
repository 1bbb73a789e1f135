"""The account as the contacts' destination: its lists, tags and custom fields.

`groups` finds or makes the lists and tags that rows go with, `custom_fields` the fields that are
mapped, and `destination` holds them together for a run. What is missing is told before anything is
sent, or made once the guard has passed.
"""

from sync.destination.destination import Destination, read_destination, remembered_destination
from sync.destination.groups import stand_in

__all__ = ["Destination", "read_destination", "remembered_destination", "stand_in"]
