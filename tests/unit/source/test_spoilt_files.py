"""Files that were damaged on their way."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync.errors import ContactSyncError
from sync.settings.options import Source
from tests.unit.source.office_files import outcome
from tests.unit.source.test_corpus import CORPUS

_SPOILT = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 30),
        st.one_of(st.sampled_from([b'"', b'\\"', b"\n", b",", b" ", b"\r"]), st.binary(max_size=3)),
    ),
    min_size=1,
    max_size=6,
)


@settings(
    max_examples=400,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(case=st.sampled_from(sorted(CORPUS)), spoilt=_SPOILT)
def test_a_spoilt_file_is_read_or_refused_by_a_sentence(
    case: str, spoilt: list[tuple[float, int, bytes]], tmp_path: Path
) -> None:
    data = CORPUS[case].data
    for place, lost, instead in spoilt:
        at = int(place * len(data))
        data = data[:at] + instead + data[at + lost :]
    path = tmp_path / CORPUS[case].name
    path.write_bytes(data)
    refused = ""
    try:
        outcome(Source.model_validate({"path": path, **CORPUS[case].options}))
    except ContactSyncError as error:
        refused = str(error)
    assert "\n" not in refused
