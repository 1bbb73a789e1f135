"""Where the company's contacts come from: each source yields pandas chunks of text.

A source knows nothing of contacts: it hands on the cells as they were written, each row with the
number that a person sees beside it, and says which rows it could not read.
"""

from sync.source.csv_file import Chunk, CsvSource, RowFault, open_source

__all__ = ["Chunk", "CsvSource", "RowFault", "open_source"]
