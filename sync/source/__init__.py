"""Where the company's contacts come from: each source yields pandas chunks of text.

A source knows nothing of contacts: it hands on the cells as they were written, each row with the
number that a person sees beside it, and says which rows it could not read. Files are CSV
(`csv_file`, plain or `packed`), Excel workbooks (`workbook`) or Parquet (`parquet`), one or
`several`; a `database` is a query or a table.
"""

from sync.source.choosing import open_source, suppressed_lines
from sync.source.chunk import Chunk, ContactSource, Place, RowFault

__all__ = ["Chunk", "ContactSource", "Place", "RowFault", "open_source", "suppressed_lines"]
