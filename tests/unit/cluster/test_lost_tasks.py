"""What is logged of a task for which nobody waits."""

import asyncio
import gc
import logging

import pytest
from procrastinate.exceptions import ConnectorException
from structlog.testing import capture_logs

from sync.cluster.worker import of_nobody


async def leave_a_task_that_fails_with(error: Exception) -> None:
    async def fail() -> None:
        raise error

    asyncio.get_running_loop().set_exception_handler(of_nobody)
    task = asyncio.create_task(fail())
    await asyncio.sleep(0.01)
    del task
    gc.collect()


def test_a_queue_that_is_away_is_told_without_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with capture_logs() as log:
        asyncio.run(leave_a_task_that_fails_with(ConnectorException()))
    assert [entry["log_level"] for entry in log] == ["warning"]
    assert not [record for record in caplog.records if record.exc_info]


def test_a_fault_of_ours_is_told_with_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        asyncio.run(leave_a_task_that_fails_with(ZeroDivisionError()))
    assert [record for record in caplog.records if record.exc_info]
