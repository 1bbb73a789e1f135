"""One or many files as one source, with row numbers that don't collide."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from sync.errors import SourceError
from sync.source.chunk import Chunk, ContactSource, Place, RowFault
from sync.source.files import FoundFile


@dataclass(frozen=True, slots=True)
class Part:
    """A file and its content."""

    file: FoundFile
    source: ContactSource


class FileSource:
    """The contacts of some files, read one after the other.

    Rows get numbers over all files, since they key the staged contacts; `place` tells the file and
    the row in it. A file that changes while it is read ends the reading.
    """

    newest: str | None = None

    def __init__(self, parts: tuple[Part, ...]) -> None:
        self._parts = parts
        self._starts: list[int] = [0]
        self.header = parts[0].source.header
        if len(parts) == 1:
            self.name = parts[0].source.name
            self.description = parts[0].source.description
        else:
            self.name = f"{len(parts)} files in {parts[0].file.path.parent}"
            told = "; ".join(part.source.description for part in parts[:3])
            more = f"; and {len(parts) - 3} more" if len(parts) > 3 else ""
            self.description = f"{self.name}: {told}{more}"
        for part in parts[1:]:
            _refuse_other_columns(part, parts[0])

    def chunks(self) -> Iterator[Chunk]:
        """Read all files; see `ContactSource.chunks`."""
        offset = 0
        self._starts = []
        for part in self._parts:
            self._starts.append(offset)
            last = 0
            for chunk in part.source.chunks():
                last = max((last, *chunk.rows[-1:], *(fault.row for fault in chunk.faults[-1:])))
                yield self._moved(chunk, offset, part)
            part.file.refuse_changed()
            offset += int(last)

    def place(self, row: int) -> Place:
        """Where the row of this number is found."""
        if len(self._parts) == 1:
            return Place("", row)
        at = max(0, bisect_right(self._starts, row - 1) - 1)
        return Place(self._parts[at].file.path.name, row - self._starts[at])

    def _moved(self, chunk: Chunk, offset: int, part: Part) -> Chunk:
        frame = chunk.frame
        if part.source.header != self.header:
            frame = frame[list(self.header)]
        if not offset:
            return Chunk(frame, chunk.rows, chunk.faults)
        faults = tuple(RowFault(fault.row + offset, fault.reason) for fault in chunk.faults)
        return Chunk(frame, chunk.rows + offset, faults)


def _refuse_other_columns(part: Part, first: Part) -> None:
    """The columns must be the same; their order may differ when no name is repeated."""
    header, wanted = part.source.header, first.source.header
    if header == wanted:
        return
    missing = [column for column in wanted if column not in header]
    surplus = [column for column in header if column not in wanted]
    if missing or surplus:
        what = f"lacks “{missing[0]}”" if missing else f"has the further column “{surplus[0]}”"
        raise SourceError(
            f"{part.file.path} {what}, unlike {first.file.path.name}; all files must have the "
            "same columns. Nothing was sent."
        )
    if len(set(header)) != len(header) or len(header) != len(wanted):
        raise SourceError(
            f"{part.file.path} has repeated column names in another order than "
            f"{first.file.path.name}; nothing was sent."
        )
