"""Telling the company what people did: a CSV file, a table in its own database, or both.

`feeding` is the run's step, `file` and `table` are the two targets. A target that fails is told in
the run's record, and is no run's failure.
"""

from sync.feedback.feeding import feed_back

__all__ = ["feed_back"]
