"""A local Constant Contact: an authorisation server and the V3 API, over real HTTP.

It is where the tests of this project run, and where a company can rehearse its first sync. It
knows nothing of the rest of the project; its README says what each rule rests on.
"""

from sync.sandbox.activities import Plan
from sync.sandbox.faults import Fault
from sync.sandbox.oauth.authorize import PageError
from sync.sandbox.questions import other_answers
from sync.sandbox.request_log import Entry
from sync.sandbox.server import Sandbox, serve
from sync.sandbox.settings import SandboxSettings

__all__ = [
    "Entry",
    "Fault",
    "PageError",
    "Plan",
    "Sandbox",
    "SandboxSettings",
    "other_answers",
    "serve",
]
