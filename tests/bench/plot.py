"""Time and memory against the number of contacts, as a drawing."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from tests.bench.figures import Result, by_case


def draw(results: Sequence[Result], path: Path) -> None:
    """Write the medians of the rounds as SVG: seconds on a logarithmic scale, memory on a plain."""
    # Texts as texts and no date, so that the file is small and changes only with the figures.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "bench"})
    figure = Figure(figsize=(10, 4), layout="constrained")
    seconds, memory = figure.subplots(1, 2)
    _lines(seconds, results, lambda each: each.cost.seconds)
    seconds.set(title="seconds", yscale="log")
    seconds.yaxis.set(
        major_locator=LogLocator(subs=(1, 2, 5)),
        minor_locator=NullLocator(),
        major_formatter=StrMethodFormatter("{x:g}"),
    )
    _lines(memory, results, lambda each: each.cost.peak_mb)
    memory.set(title="peak memory in MB", ylim=0)
    figure.legend(*memory.get_legend_handles_labels(), loc="outside right center")
    figure.savefig(path, metadata={"Date": None})


def _lines(panel: Axes, results: Sequence[Result], value: Callable[[Result], float]) -> None:
    """One for each that was measured, in the results' order."""
    for what in dict.fromkeys(each.what for each in results):
        points = [
            (contacts, median(map(value, some)))
            for (contacts, name), some in by_case(results).items()
            if name == what
        ]
        panel.plot(*zip(*points, strict=True), marker="o", label=what)
    panel.set(xlabel="contacts", xscale="log")
    panel.xaxis.set(minor_locator=NullLocator(), major_formatter=StrMethodFormatter("{x:,.0f}"))
    panel.grid(visible=True, alpha=0.3)
