"""The bytes of Arrow's columns of text, as numbers and without a copy."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def raw_bytes(column: pa.Array) -> npt.NDArray[np.uint8]:
    """The UTF-8 bytes of all cells, one after the other, without a copy."""
    data = column.buffers()[2]
    if data is None or not len(column):
        return np.empty(0, np.uint8)
    ends = ends_of(column)
    return np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]


def ends_of(column: pa.Array) -> npt.NDArray[np.int64]:
    """Where in its buffer the first cell begins, and where each cell ends, without a copy."""
    ends = np.frombuffer(column.buffers()[1], np.int64)
    return ends[column.offset : column.offset + len(column) + 1]
