"""What a run does to contacts beyond importing them, in words; for the terminal and the report."""

from collections.abc import Iterator

from sync.state.runs import Counts


def beyond_imports(counts: Counts, *, done: bool, whole: bool = True) -> Iterator[tuple[str, int]]:
    """What was done (or would be) to how many contacts; what happened to nobody is left out.

    Args:
        done: Whether it was done, or is only planned.
        whole: Whether all of the source was read, so that it is known who is gone.
    """
    if counts.cleared:
        yield f"with emptied fields, {'cleared' if done else 'to be cleared'} there", counts.cleared
    if counts.moved:
        yield f"{'taken' if done else 'to be taken'} off lists for others", counts.moved
    if counts.tagged:
        yield f"{'given' if done else 'to be given'} other tags", counts.tagged
    if not whole:
        return
    away = (
        (counts.removed, f"{'taken' if done else 'to be taken'} off their lists"),
        (counts.deleted, f"{'deleted' if done else 'to be deleted'} there"),
    )
    told = "".join(f", {count:,} of them {what}" for count, what in away if count)
    yield f"no longer in the source{told or ', kept there'}", counts.gone
