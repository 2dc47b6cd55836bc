"""Plots: what is drawn is what is in the frames; figures are files that can be opened."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.report.figures import plots, style
from sim.report.figures.result import save_plots
from sim.report.folder.tables import run_tables
from sim.report.folder.writer import RunWriter
from sim.report.results import Results, load_results

from .fixtures import FakeScenario, burst, with_services

COLOURS = style.palette(["vm", "container"])


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    scenario = FakeScenario()
    with RunWriter(tmp_path_factory.mktemp("plots") / "burst", scenario) as writer:
        for platform in scenario.platforms:
            for replication in range(2):
                writer.add(run_tables(burst(platform, replication), scenario))
        writer.write(notes={"warmup": 120.0})
        return load_results(writer.finish())


@pytest.fixture
def ax() -> Axes:
    return Figure().subplots()


def test_every_figure_is_saved_as_a_png(results: Results, tmp_path: Path) -> None:
    made = save_plots(results, tmp_path)
    names = ["timeline", "startup-phases", "response-tail", "allocated-vs-used"]
    assert [path.name for path in made] == [f"{name}.png" for name in names]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in made)


def test_a_result_without_requests_and_starts_has_no_such_figures(tmp_path: Path) -> None:
    scenario = FakeScenario(platforms={"vm": {}})
    records = with_services(burst("vm"), [])
    records.guests["ready"][:] = np.nan
    with RunWriter(tmp_path / "idle", scenario) as writer:
        writer.add(run_tables(records, scenario))
        writer.write()
        made = save_plots(load_results(writer.work))
    assert [path.stem for path in made] == ["timeline", "allocated-vs-used"]


def test_timeline_shows_the_mean_over_replications(results: Results, ax: Axes) -> None:
    assert plots.ready_guests(results.timeline, ax, colours=COLOURS) is ax
    line = next(line for line in ax.lines if line.get_label() == "vm ready")
    expected = (burst("vm", 0).timeline["ready"] + burst("vm", 1).timeline["ready"]) / 2
    assert np.asarray(line.get_ydata()) == pytest.approx(expected)


def test_traffic_is_per_second_whatever_the_sampling(results: Results, ax: Axes) -> None:
    timeline = results.timeline.copy()
    timeline["time"] *= 10
    plots.traffic(timeline, ax, colours=COLOURS)
    arrivals = np.asarray(ax.lines[0].get_ydata())
    expected = (burst("vm", 0).timeline["arrivals"] + burst("vm", 1).timeline["arrivals"]) / 20
    assert arrivals == pytest.approx(expected)


def test_a_capacity_far_above_is_named_and_not_drawn(results: Results, ax: Axes) -> None:
    plots.resource(results.timeline, ax, colours=COLOURS, kind="memory")
    assert ax.get_ylim()[1] < 64.0
    assert any("capacity 64 GiB" in words.get_text() for words in ax.texts)
    other = Figure().subplots()
    plots.resource(results.timeline, other, colours=COLOURS, kind="cpu")
    assert other.get_ylim()[1] > 16.0


def test_phases_add_up_to_the_whole_bar(results: Results, ax: Axes) -> None:
    plots.startup_phases(results.guests, ax)
    ends = [bar.get_x() + bar.get_width() for bar in ax.patches]  # type: ignore[attr-defined]
    assert max(ends) == pytest.approx(1.0)
    labels = {words.get_text() for words in ax.texts}
    assert any(label.startswith("os\n") for label in labels)


def test_tail_passes_through_the_quantiles(results: Results, ax: Axes) -> None:
    plots.response_tail(results.response, ax, colours=COLOURS, completed={"vm": 0.5})
    line = next(line for line in ax.lines if str(line.get_label()).startswith("vm"))
    assert line.get_label() == "vm (50.0 % completed)"
    probability, seconds = np.asarray(line.get_ydata()), np.asarray(line.get_xdata())
    p99 = np.mean(
        [
            row.value
            for row in results.rows
            if row.platform == "vm" and row.service == "all" and row.metric == "response.p99"
        ]
    )
    assert np.interp(0.01, probability, seconds) == pytest.approx(p99, rel=1e-6)


def test_bars_are_the_time_means_in_cores(results: Results, ax: Axes) -> None:
    plots.allocated_and_used(results.summary, ax, colours=COLOURS, kind="cpu", capacity=16.0)
    allocated = [row.value for row in results.rows if row.platform == "vm" and row.metric == "cpu.allocated"]
    heights = [bar.get_height() for bar in ax.patches]  # type: ignore[attr-defined]
    assert heights[0] == pytest.approx(16.0 * np.mean(allocated))


def test_platforms_have_different_colours() -> None:
    assert len(set(style.palette(["a", "b", "c", "d", "e", "f", "g"]).values())) == 7
