"""What is known of the rows is staged as if it were checked anew, on each kind of database."""

import csv
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select

from sync import rechecking
from sync.contact.mapping import ColumnMapping, map_columns
from sync.contact.rules import Rules
from sync.contact.validation import Checked, Rows, check
from sync.destination import remembered_destination
from sync.errors import StopRequested
from sync.incremental import configuration_digest
from sync.loading import Loaded, configured_rules, load, open_configured
from sync.progress import Silent
from sync.rechecking import basis_of
from sync.report.rejects import RejectsFile
from sync.settings import Settings
from sync.settings.options import Consent, Duplicates, FieldMapping, Lists, Tags
from sync.state import bodies, staging
from sync.state.checked_rows import CheckedRows
from sync.state.id_sets import LISTS, TAGS
from sync.state.runs import Runs
from sync.state.schema import body_block, checked_rows, staged
from sync.state.store import Store
from sync.stop import Stop
from tests.conftest import SettingsFor, Tell
from tests.fake_clock import FakeClock

HEADER = (
    "email",
    "first_name",
    "last_name",
    "birthday",
    "list",
    "tag",
    "changed",
    "number",
    "city",
    "agreed",
)
Row = tuple[str, ...]
Read = tuple[list[tuple[Any, ...]], str, Loaded]
OPTIONS: dict[str, dict[str, Any]] = {
    "source": {"chunk_rows": 100, "key_column": "number"},
    "consent": {"all_rows_have_consent": False, "column": "agreed", "values": ["yes"]},
    "lists": {"names": [], "column": "list", "create_missing": True},
    "tags": {"column": "tag", "separator": ",", "create_missing": True},
    "duplicates": {"keep": "newest", "column": "changed"},
    "mapping": {"owned_by_constant_contact": ["city"]},
}


@dataclass
class Reading:
    """A state, and readings of a source into it: `checked` counts the rows that were checked."""

    settings: Settings
    store: Store
    checked: list[int] = field(default_factory=list)

    def read(self, rows: Sequence[Row], *, known: bool = True, stop: Stop | None = None) -> Read:
        """What was staged, what the rejects file says, and the counts."""
        self.write(rows)
        settings, store, account = self.settings, self.store, self.settings.account.name
        rules = configured_rules(settings)
        source = open_configured(settings)
        mapping = map_columns(source.header, rules)
        runs = Runs(store, account)
        run_id = runs.begin(FakeClock()(), dry_run=False)
        self.checked.clear()
        path = settings.state.directory / f"{run_id}.csv"
        basis = basis_of(configuration_digest(settings), mapping)
        with RejectsFile(path) as rejects:
            loaded = load(
                run_id,
                source,
                mapping,
                rules,
                remembered_destination(store, settings),
                rejects,
                checked_rows=CheckedRows(store, account, basis) if known else None,
                store=store,
                progress=Silent(),
                stop=stop or Stop(),
            )
        found = self._staged(run_id), path.read_text() if path.exists() else "", loaded
        with store.write() as connection:
            staging.discard_settled(connection, account)
        return found

    def write(self, rows: Sequence[Row]) -> None:
        assert self.settings.source.path is not None
        with self.settings.source.path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([HEADER, *rows])

    def size(self) -> tuple[int, int]:
        """How many stretches, and how many blocks of bodies, the state has."""
        with self.store.read() as connection:
            counted = (
                select(func.count()).select_from(each) for each in (checked_rows, body_block)
            )
            stretches, blocks = (connection.scalar(each) or 0 for each in counted)
            return stretches, blocks

    def _staged(self, run_id: int) -> list[tuple[Any, ...]]:
        with self.store.read() as connection:
            rows = connection.execute(
                select(staged).where(staged.c.run_id == run_id).order_by(staged.c.row)
            ).all()
            account = self.settings.account.name
            texts = bodies.read(connection, account, [row.body_id for row in rows])
            lists, tags = (
                {number: sets.ids_of(connection, number) for number in numbers if number}
                for sets, numbers in (
                    (LISTS, {row.list_set_id for row in rows}),
                    (TAGS, {row.tag_set_id for row in rows}),
                )
            )
        return [
            (
                *(row.row, row.email, row.fingerprint, row.size, row.precedence, row.source_key),
                *(row.owned, row.owned and row.owned_size, text),
                *(lists[row.list_set_id], tags.get(row.tag_set_id)),
            )
            for row, text in zip(rows, texts, strict=True)
        ]


@pytest.fixture
def reading(
    settings_for: SettingsFor, store: Store, state_url: str, monkeypatch: pytest.MonkeyPatch
) -> Reading:
    made = Reading(settings_for(state_url=state_url, **OPTIONS), store)

    def counting(chunk: Rows, mapping: ColumnMapping, rules: Rules) -> Checked:
        made.checked.append(len(chunk.rows))
        return check(chunk, mapping, rules)

    monkeypatch.setattr(rechecking, "check", counting)
    return made


def person(place: int, **values: str) -> Row:
    """One whose row has nothing wrong with it."""
    usual = {
        "email": f"p{place}@example.com",
        "first_name": f"Zoë {place}",
        "birthday": "1990-02-28",
        "list": "Customers",
        "changed": "2026-11-01",
        "number": str(place),
        "city": "Åre",
        "agreed": "yes",
    }
    return tuple((usual | values).get(name, "") for name in HEADER)


def anybody(dice: random.Random, number: int) -> Row:
    """One who may be anything: fine, doubtful, a duplicate, suppressed, without consent, no row."""
    kinds: list[Callable[[], Row]] = [
        lambda: person(number),
        lambda: person(number, birthday="31.02.1990"),
        lambda: person(number, email="nobody"),
        lambda: person(number, email=f" P{dice.randrange(50)}@Example.com"),
        lambda: person(number, email=f"p{number}@rival.example"),
        lambda: person(number, agreed=""),
        lambda: person(number, list=dice.choice(["News", "", "Customers"])),
        lambda: person(number, tag=dice.choice(["vip", "vip,staff", ""])),
        lambda: person(number, city="", number="", changed="", first_name=""),
        lambda: person(number, first_name=dice.choice(['"q", \n\\', "a\x1fb", "\x1e", "😀" * 60])),
        lambda: ("",) * len(HEADER),
        lambda: person(number)[:-1],
    ]
    return dice.choices(kinds, [40, *([1] * (len(kinds) - 1))])[0]()


def another_day(dice: random.Random, rows: list[Row]) -> list[Row]:
    """The source as it may be a day later."""
    rows = list(rows)
    for _ in range(dice.randrange(4)):
        at, some = dice.randrange(len(rows) + 1), dice.choice([1, 5, 130, 450])
        match dice.randrange(6):
            case 0:
                del rows[at : at + some]
            case 1:
                rows[at:at] = [anybody(dice, dice.randrange(10_000, 99_999)) for _ in range(some)]
            case 2:
                rows[at : at + some] = [anybody(dice, dice.randrange(99_999)) for _ in range(some)]
            case 3:
                rows.append(dice.choice(rows or [person(1)]))
            case 4:
                rows = rows[at:] + rows[:at]
            case _:
                for place in range(at, len(rows), 1 + some):
                    rows[place] = anybody(dice, place)
    return rows if any(map(any, rows)) else [person(1)]


@pytest.mark.parametrize("number", range(4))
def test_whatever_is_known_the_same_is_staged(
    reading: Reading, tmp_path: Path, pytestconfig: pytest.Config, tell: Tell, number: int
) -> None:
    seed = (pytestconfig.getoption("--seed") or random.randrange(1 << 32)) + number
    tell(f"seed of the days: {seed - number}")
    dice = random.Random(seed)
    never = tmp_path / "never.txt"
    never.write_text("rival.example\n")
    reading.settings = reading.settings.model_copy(
        update={"suppression": reading.settings.suppression.model_copy(update={"path": never})}
    )
    rows = [anybody(dice, each) for each in range(dice.choice([30, 700, 1_100]))]
    for _ in range(6):
        with_known = reading.read(rows)
        assert with_known == reading.read(rows, known=False)
        if dice.random() < 0.3:
            never.write_text(f"rival.example\np{dice.randrange(700)}@example.com\n")
        rows = another_day(dice, rows)


def test_only_new_rows_are_checked(reading: Reading) -> None:
    rows = [person(number) for number in range(1_000)]
    reading.read(rows)
    assert sum(reading.checked) == 1_000
    for _ in range(2):
        assert len(reading.read(rows)[0]) == 1_000
        assert not any(reading.checked)
    rows[345] = person(345, first_name="Grace")
    staged_rows = reading.read(rows)[0]
    assert sum(reading.checked) == 1
    assert "Grace" in staged_rows[345][-3]


@pytest.mark.parametrize(("together", "checks"), [(1_000, [10]), (3, [3, 3, 3, 1])])
def test_the_few_new_rows_of_many_chunks_are_checked_together(
    reading: Reading, monkeypatch: pytest.MonkeyPatch, together: int, checks: list[int]
) -> None:
    monkeypatch.setattr(rechecking, "_TOGETHER", together)
    rows = [person(number) for number in range(1_000)]
    reading.read(rows)
    new = range(50, 1_000, 100)
    for number in new:
        rows[number] = person(number, birthday="31.02.1990")
    staged_rows, told, loaded = reading.read(rows)
    assert reading.checked == checks
    assert (len(staged_rows), loaded.rows, loaded.warnings) == (1_000, 1_000, len(new))
    places = [int(line.split(",")[1]) for line in told.splitlines()[1:]]
    assert places == [number + 2 for number in new]


@pytest.mark.parametrize("gone", [1, 7, 99, 230])
def test_rows_are_found_again_where_others_were_taken_out_or_put_in(
    reading: Reading, gone: int
) -> None:
    rows = [person(number) for number in range(1_000)]
    reading.read(rows)
    reading.read(rows[gone:])
    assert sum(reading.checked) <= 10
    reading.read(rows)
    assert sum(reading.checked) <= gone + 100  # some of their stretch was kept
    reading.read(
        rows[:500] + [person(number) for number in range(5_000, 5_000 + gone)] + rows[500:]
    )
    assert gone <= sum(reading.checked) <= gone + 200


def test_what_is_told_of_a_row_is_told_each_day(reading: Reading) -> None:
    doubtful = [person(1, birthday="31.02.1990"), person(2, email="nobody"), person(3, agreed="no")]
    rows = [*(person(number) for number in range(10, 200)), *doubtful]
    _, told, loaded = reading.read(rows)
    assert told.count("\n") == 4
    assert (loaded.rejected, loaded.withheld, loaded.warnings) == (2, 1, 1)
    assert reading.read(rows)[1:] == (told, loaded)
    assert sum(reading.checked) == 3


def test_who_is_suppressed_since_is_withheld(reading: Reading, tmp_path: Path) -> None:
    rows = [person(number) for number in range(200)]
    reading.read(rows)
    never = tmp_path / "never.txt"
    never.write_text("p7@example.com\n")
    suppression = reading.settings.suppression.model_copy(update={"path": never})
    reading.settings = reading.settings.model_copy(update={"suppression": suppression})
    rows_staged, told, loaded = reading.read(rows)
    assert "p7@example.com" in told
    assert (len(rows_staged), loaded.withheld) == (199, 1)
    never.write_text("p8@example.com\n")
    rows_staged, told, _ = reading.read(rows)
    assert "p8@example.com" in told
    assert "p7@example.com" in {row[1] for row in rows_staged}
    assert sum(reading.checked) == 2


def test_another_configuration_has_all_checked_again(reading: Reading) -> None:
    rows = [person(number) for number in range(200)]
    reading.read(rows)
    mapping = reading.settings.mapping.model_copy(update={"columns": {}, "ignore": ("first_name",)})
    reading.settings = reading.settings.model_copy(update={"mapping": mapping})
    rows_staged = reading.read(rows)[0]
    assert sum(reading.checked) == 200
    assert not any("Zoë" in row[-3] for row in rows_staged)


def test_another_program_has_all_checked_again(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [person(number) for number in range(200)]
    reading.read(rows)
    monkeypatch.setattr(rechecking, "_PROGRAM", "another")
    reading.read(rows)
    assert sum(reading.checked) == 200


def test_a_program_is_its_files_and_what_they_know_of_the_world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {file.name for file in rechecking._FILES}
    assert {"validation.py", "canonical.py", "dates.py", "mapping.py", "checked_rows.py"} <= names
    assert rechecking._digest(rechecking._FILES, rechecking._PACKAGES) == rechecking._PROGRAM
    changed = tmp_path / "dates.py"
    changed.write_text("# another one")
    others = [rechecking._digest((*rechecking._FILES[1:], changed), rechecking._PACKAGES)]
    for package in ("babel", "phonenumbers"):
        with monkeypatch.context() as changing:
            changing.setattr(
                rechecking,
                "version",
                lambda name, new=package: version(name) + ".1" * (name == new),
            )
            others.append(rechecking._digest(rechecking._FILES, rechecking._PACKAGES))
    assert len({rechecking._PROGRAM, *others}) == 4


def test_what_lies_behind_a_changed_part_is_found_again(reading: Reading) -> None:
    rows = [person(number) for number in range(1_000)]
    for first, last in ((100, 200), (300, 700), (0, 250), (130, 380)):
        reading.read(rows)
        rows[first:last] = [person(each, first_name=f"{first}") for each in range(first, last)]
        reading.read(rows)
        assert sum(reading.checked) <= last - first + 100


def test_a_source_of_which_nothing_is_read_is_checked(reading: Reading) -> None:
    columns = {"email": {"constant": "one@example.com"}}
    sections = {
        "mapping": FieldMapping.model_validate({"auto": False, "columns": columns}),
        "consent": Consent(all_rows_have_consent=True),
        "lists": Lists(names=("Customers",), create_missing=True),
        "tags": Tags(),
        "duplicates": Duplicates(),
        "source": reading.settings.source.model_copy(update={"key_column": None}),
    }
    changed = reading.settings.model_copy(update=sections)
    bare = replace(reading, settings=changed)
    assert len(bare.read([person(1), person(2)])[0]) == 2


def test_cells_that_hold_the_mark_between_cells_are_not_mixed_up(reading: Reading) -> None:
    first = [person(1, first_name="a\x1fb", last_name="c")]
    second = [person(1, first_name="a", last_name="b\x1fc")]
    assert reading.read(first)[0] != reading.read(second)[0]
    assert reading.read(second) == reading.read(second, known=False)


def test_a_reading_that_was_stopped_is_gone_on_from(reading: Reading) -> None:
    rows = [person(number) for number in range(1_000)]

    class Later(Stop):
        left = 4

        def check(self) -> None:
            self.left -= 1
            if not self.left:
                raise StopRequested

    with pytest.raises(StopRequested):
        reading.read(rows, stop=Later())
    with_known = reading.read(rows)
    assert sum(reading.checked) == 700
    assert with_known == reading.read(rows, known=False)


def test_sqlite_caches_little_while_a_source_is_loaded(reading: Reading) -> None:
    if reading.store.engine.dialect.name != "sqlite":
        pytest.skip("a server caches in its own memory")
    with reading.store.read() as connection:
        usual = connection.exec_driver_sql("PRAGMA cache_size").scalar_one()
    asked: list[str] = []
    engine = reading.store.engine
    event.listen(engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    reading.read([person(place) for place in range(150)])
    set_to = [each.partition("cache_size=")[2] for each in asked if "cache_size=" in each]
    assert set_to == ["-2000", str(usual)] * 2  # once for each chunk


def test_what_the_source_has_no_more_is_forgotten(reading: Reading) -> None:
    for day in range(20):
        reading.read([person(100 * day + number) for number in range(1_000)])
        stretches, blocks = reading.size()
        assert stretches <= 12
        assert blocks <= 24
    reading.read([person(1)])
    assert reading.size() == (1, 1)


def test_accounts_in_one_database_know_nothing_of_each_other(reading: Reading) -> None:
    rows = [person(number) for number in range(200)]
    reading.read(rows)
    other = reading.settings.account.model_copy(update={"name": "theatre"})
    theirs = replace(reading, settings=reading.settings.model_copy(update={"account": other}))
    theirs.read(rows)
    assert sum(reading.checked) == 200
    theirs.read([person(1)])
    reading.read(rows)
    assert not any(reading.checked)
