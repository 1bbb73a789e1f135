"""What can go wrong with Constant Contact: faults of its answers, and bad ends of activities."""

from typing import get_args

from hypothesis import strategies as st

from sync.sandbox import Fault, Plan
from sync.sandbox.activities import End
from tests.integration.model.office import IMPORTS

_FIRST, _LAST = "p0@example.com", "p3@example.com"
_PATHS = [
    "*",
    "/v3/*",
    IMPORTS,
    "/v3/activities/*",
    "/v3/activities",
    "/v3/contacts",
    "/v3/contacts/*",
    "/v3/contact_*",
]
_FAULTS = st.builds(
    Fault,
    kind=st.sampled_from(
        ["status", "status", "status", "drop", "reset", "cut", "html", "empty", "garbage"]
    ),
    path=st.sampled_from(_PATHS),
    method=st.sampled_from(["*", "POST", "GET", "PUT"]),
    status=st.sampled_from([400, 401, 403, 404, 409, 429, 500, 502, 503, 200]),
    after_work=st.booleans(),
    count=st.sampled_from([1, 1, 1, 2, 4, 12]),
    skip=st.integers(0, 6),
    error_key=st.sampled_from([None, None, None, "throttled", "quota_exceeded"]),
)
_POISON = st.builds(
    Fault,
    kind=st.just("status"),
    path=st.just(IMPORTS),
    status=st.just(400),
    holds=st.sampled_from([_FIRST, _LAST]),
)
FAULTS = st.lists(_FAULTS | _POISON, max_size=3)
BAD_END = st.builds(
    Plan,
    end=st.sampled_from([end for end in get_args(End) if end != "completed"]),
    count=st.sampled_from([1, 1, 2, 4]),
    share=st.sampled_from([0.0, 0.5, 1.0]),
    holds=st.sampled_from(["", "", _FIRST, _LAST]),
)
