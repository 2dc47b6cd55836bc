"""Plots: what is drawn is what is in the frames; figures are files that can be opened."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.report.answers.comparison import Line
from sim.report.figures import bars, result, starts, tail, timeline
from sim.report.figures.result import save_plots
from sim.report.figures.style import headline, looks, new_figure, palette, told
from sim.report.folder.tables import run_tables
from sim.report.folder.writer import RunWriter
from sim.report.metrics.known import describe
from sim.report.metrics.statistics import Interval
from sim.report.results import Results, load_results
from sim.terms.doubts import doubt

from .fixtures import FakeScenario, burst, with_services

KEY = looks(["vm", "container"])


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


def words(ax: Axes) -> str:
    return " ".join(each.get_text().replace("\n", " ") for each in ax.texts)


def of(ax: Axes, name: str, *, dashed: bool = False) -> Any:
    """The curve of a platform: dashed ones have no markers."""
    found = [line for line in ax.lines if line.get_color() == KEY[name].colour and len(line.get_xdata()) > 2]
    return next(line for line in found if (line.get_marker() == "None") == dashed)


# ---------------------------------------------------------------- files


def test_every_figure_is_saved_as_a_png(results: Results, tmp_path: Path) -> None:
    made = save_plots(results, tmp_path)
    names = ["timeline", "startup-phases", "response-tail", "allocated-vs-used"]
    assert [path.name for path in made] == [f"{name}.png" for name in names]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in made)


def test_the_same_result_gives_the_same_pictures(results: Results, tmp_path: Path) -> None:
    first, second = (save_plots(results, tmp_path / name) for name in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_a_result_without_requests_and_starts_has_no_such_figures(tmp_path: Path) -> None:
    scenario = FakeScenario(platforms={"vm": {}})
    records = with_services(burst("vm"), [])
    records.guests["ready"][:] = np.nan
    with RunWriter(tmp_path / "idle", scenario) as writer:
        writer.add(run_tables(records, scenario))
        writer.write()
        made = save_plots(load_results(writer.work))
    assert [path.stem for path in made] == ["timeline", "allocated-vs-used"]


# ---------------------------------------------------------------- looks and heads


def test_a_platform_looks_the_same_in_every_result() -> None:
    assert palette(["container"])["container"] == palette(["vm", "kata", "container"])["container"]
    assert palette(["vm", "plugged"])["plugged"] == palette(["plugged", "microvm", "gvisor"])["plugged"]
    several = looks(["burst/vm", "burst/container", "large/vm", "large/container"])
    assert several["burst/vm"] == looks(["vm"])["vm"]
    assert several["large/vm"].marker == several["burst/vm"].marker
    assert several["large/vm"].colour != several["burst/vm"].colour
    assert several["large/vm"].hollow
    assert not several["burst/vm"].hollow


def test_no_two_platforms_look_alike() -> None:
    catalogue = ["vm", "microvm", "container", "container-in-vm", "kata", "gvisor", "native"]
    found = looks([*catalogue, "plugged", "merged", "full-copy", "limited", "vm-image", "own"]).values()
    assert len({look.colour for look in found}) == len({look.marker for look in found}) == 13


def test_the_head_says_the_worst_doubts_about_what_is_shown() -> None:
    survivors = doubt("survivors", "served 44 % (vm) against 80 % (container)", service="all")
    late = doubt("boots-in-span", "ready 31 s into the span", "vm", "shop")
    other = doubt("unequal-promise", "2 CPU; 0.5 CPU")
    lines = told([survivors, late, other], ["response.p99"])
    assert [line.split(":")[1].strip() for line in lines] == ["survivors", "boots-in-span"]
    assert told([survivors, other], ["startup.p50"]) == []
    many = [doubt("never-served", f"{number}", "vm", f"s{number}") for number in range(5)]
    assert told(many, ["cpu.allocated"])[-1].startswith("… and 3 more")
    thin = doubt("few-samples", "250 requests", percentile=0.99, services=["all"])
    assert told([thin], ["response.p99"])
    assert not told([thin], ["response.p50"])


def test_the_head_takes_room_of_its_own() -> None:
    bare, full = (new_figure(9.0, 4.0) for _ in range(2))
    for figure, notes in ((bare, []), (full, ["wrong: survivors: a", "weak: few-samples: b"])):
        figure.subplots()
        headline(figure, "title", notes, KEY)
    heights = [figure.axes[0].get_position().height * figure.get_figheight() for figure in (bare, full)]
    assert heights[0] == pytest.approx(heights[1])
    assert full.get_figheight() > bare.get_figheight()
    inked = {text.get_text(): text.get_color() for text in full.texts}
    assert inked["wrong: survivors: a"] != inked["weak: few-samples: b"]


# ---------------------------------------------------------------- over time


def test_timeline_shows_the_mean_over_replications(results: Results, ax: Axes) -> None:
    assert timeline.ready_guests(timeline.over_time(results.timeline, KEY), ax, key=KEY) is ax
    expected = (burst("vm", 0).timeline["ready"] + burst("vm", 1).timeline["ready"]) / 2
    assert np.asarray(of(ax, "vm").get_ydata()) == pytest.approx(expected)


def test_traffic_is_per_second_whatever_the_sampling(results: Results, ax: Axes) -> None:
    frame = results.timeline.copy()
    frame["time"] *= 10
    timeline.traffic(timeline.over_time(frame, KEY), ax, key=KEY)
    expected = (burst("vm", 0).timeline["completed"] + burst("vm", 1).timeline["completed"]) / 20
    assert np.asarray(of(ax, "vm").get_ydata()) == pytest.approx(expected)


def test_a_capacity_far_above_is_named_and_not_drawn(results: Results, ax: Axes) -> None:
    series = timeline.over_time(results.timeline, KEY)
    timeline.resource(series, ax, key=KEY, kind="memory")
    assert ax.get_ylim()[1] < 64.0
    assert "capacity 64 GiB (beyond ↑)" in words(ax)
    other = Figure().subplots()
    timeline.resource(series, other, key=KEY, kind="cpu")
    assert other.get_ylim()[1] > 16.0


def test_each_of_two_hosts_has_its_capacity(ax: Axes) -> None:
    timeline.mark_capacity(ax, {"small/vm": 16.0, "small/container": 16.0, "large/vm": 24.0}, 15.0, "cores")
    assert sorted(line.get_ydata()[0] for line in ax.lines) == [16.0, 24.0]
    assert "16 cores (small)" in words(ax)
    assert "24 cores (large)" in words(ax)


def happened(*rows: tuple[str, float, str, str]) -> pd.DataFrame:
    return pd.DataFrame([(*row[:2], *row[2:], 0) for row in rows], columns=["platform", "time", "event", "detail", "r"])


def test_faults_moves_and_resizes_are_marked() -> None:
    panels = list(Figure().subplots(2, 1))
    events = happened(
        ("vm", 300.0, "fault", "host-patch"), ("container", 300.0, "fault", "host-patch"),
        ("vm", 300.0, "move", "shop-0"), ("container", 480.0, "host-up", ""), ("vm", 310.0, "ready", ""),
        ("vm", 901.0, "fault", "too late"),
    )  # fmt: skip
    timeline.marks(events, panels, panels[1], 900.0, KEY)
    assert words(panels[0]) == "host-patch, moves begin (vm) host is back (container)"
    for panel in panels:
        assert [line.get_xdata()[0] for line in panel.lines] == [300.0, 480.0]
    assert panels[0].lines[1].get_color() == KEY["container"].colour


def test_what_happens_often_is_ticks() -> None:
    panels = list(Figure().subplots(2, 1))
    events = happened(*(("vm", 10.0 * number, "oom-kill", "") for number in range(1, 40)))
    timeline.marks(events, panels, panels[1], 400.0, KEY)
    assert not panels[0].lines
    assert "ticks: OOM kill" in panels[1].get_title(loc="left")


def test_the_axis_ends_where_nothing_moves_any_more() -> None:
    time = np.arange(0.0, 1801.0, 10.0)
    frame = pd.DataFrame({"platform": "vm", "replication": 0, "time": time, "ready": np.minimum(time, 200.0)})
    assert timeline.until(frame, ["ready"]) == pytest.approx(1.4 * 190.0)
    frame["ready"] = time
    assert timeline.until(frame, ["ready"]) == 1800.0


def test_opposite_peaks_are_drawn_a_service_each() -> None:
    day = {"kind": "diurnal", "mean": 10.0, "peak": 19.0, "period": 86400.0, "phase": 0.0}
    night = day | {"phase": 43200.0}
    services = {"day": {"traffic": [day]}, "night": {"traffic": [night]}, "flat": {"traffic": [{"kind": "trace"}]}}
    asked = timeline.asked_by_file(services, 86400.0)
    assert list(asked) == ["day", "night"]
    assert asked["day"][1].max() == pytest.approx(19.0, abs=0.01)
    assert asked["day"][1] + asked["night"][1] == pytest.approx(20.0)


# ---------------------------------------------------------------- starts


def test_phases_add_up_to_the_whole_bar(results: Results, ax: Axes) -> None:
    starts.startup_phases(results.guests, ax, key=KEY)
    ends = [bar.get_x() + bar.get_width() for bar in ax.patches]  # type: ignore[attr-defined]
    assert max(ends) == pytest.approx(1.0)
    assert any(each.get_text().startswith("os\n") for each in ax.texts)


def test_no_two_phases_of_the_catalogue_look_alike() -> None:
    found = starts.phase_looks([f"startup_{name}" for name in starts._PLACES])
    assert len({(look["facecolor"], look["hatch"]) for look in found.values()}) == len(starts._PLACES) > 18


def test_the_key_of_the_starts_says_the_median(results: Results, ax: Axes) -> None:
    starts.startup_times(results.guests, ax, key=KEY)
    own = results.guests[results.guests["platform"] == "vm"]
    labels = [str(line.get_label()) for line in ax.lines]
    median = float((own["ready"] - own["requested"]).median())
    assert any(label.startswith(f"vm: half within {median:.3g}") for label in labels)


def storm_of(count: int, at: Sequence[float] = (0.0,)) -> pd.DataFrame:
    rows = [
        {"platform": "vm", "replication": 0, "requested": begin, "ready": begin + 2.0 + number / 10,
         "startup_pull": 2.0, "startup_app": number / 10}
        for begin in at for number in range(count)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_a_storm_is_drawn_start_by_start(ax: Axes) -> None:
    found = starts.storms(storm_of(40, (5.0, 100.0)), KEY)
    assert len(found["vm"]) == 40
    starts.waterfall(found["vm"], ax, name="vm")
    assert "40 at once, half ready after 3.95 s (dashed), all 5.90 s" in ax.get_title(loc="left") + ax.get_title()
    pull, app = (each.get_paths() for each in ax.collections)
    assert (len(pull), len(app)) == (40, 39)  # the first has no time in `app`
    assert max(path.vertices[:, 0].max() for path in app) == pytest.approx(5.9)


def test_few_starts_are_no_storm() -> None:
    assert starts.storms(storm_of(starts.STORM - 1), KEY) == {}
    assert starts.storms(storm_of(1, np.arange(0.0, 60.0, 2.0).tolist()), KEY) == {}


# ---------------------------------------------------------------- response


def test_the_tail_is_of_all_requests_and_ends_on_the_unserved(results: Results, ax: Axes) -> None:
    tail.response_tail(results.response, ax, key=KEY, served={"vm": 0.5})
    line = next(line for line in ax.lines if str(line.get_label()).startswith("vm"))
    assert line.get_label() == "vm: 50.0 % served"
    longer, seconds = np.asarray(line.get_ydata()), np.asarray(line.get_xdata())
    p99 = np.mean(
        [
            row.value
            for row in results.rows
            if row.platform == "vm" and row.service == "all" and row.metric == "response.p99"
        ]
    )
    assert np.interp(0.5 + 0.5 * 0.01, longer, seconds) == pytest.approx(p99, rel=1e-6)
    ends = [each for each in ax.lines if len(each.get_xdata()) == 2 and each.get_color() == KEY["vm"].colour]
    assert [list(each.get_ydata()) for each in ends] == [[0.5, 0.5]]


def test_who_served_all_has_no_flat_end(results: Results, ax: Axes) -> None:
    tail.response_tail(results.response, ax, key=KEY, served={"vm": 1.0, "container": 1.0})
    assert all(len(line.get_xdata()) > 2 for line in ax.lines if line.get_color() in (KEY["vm"].colour,))


def test_a_victim_has_a_panel_of_its_own(monkeypatch: pytest.MonkeyPatch, results: Results) -> None:
    frame = results.response
    named = SimpleNamespace(
        response=pd.concat([frame, frame.assign(service="victim"), frame.assign(service="hog")]), doubts=[],
        platforms=results.platforms, name="x",
        rows=[
            SimpleNamespace(service=service, platform=name, metric=f"requests.{what}", value=value)
            for service, done in (("all", 0.9), ("victim", 0.4), ("hog", 1.0))
            for name in results.platforms
            for what, value in (("arrived", 100.0), ("completed", 100.0 * done))
        ],
    )  # fmt: skip
    figure = result.response(named)  # type: ignore[arg-type]
    assert figure is not None
    told = {ax.get_title(loc="left") or ax.get_title(): ax.get_legend() for ax in figure.axes}
    assert set(told) == {"all services", "victim", "hog"}
    assert [each.get_text() for each in told["victim"].get_texts()] == [  # type: ignore[union-attr]
        "vm: 40.0 % served", "container: 40.0 % served",
    ]  # fmt: skip


# ---------------------------------------------------------------- bars


def test_bars_are_the_time_means_in_cores(results: Results, ax: Axes) -> None:
    bars.allocated_and_used(results.summary, ax, key=KEY, kind="cpu", capacity=16.0)
    allocated = [row.value for row in results.rows if row.platform == "vm" and row.metric == "cpu.allocated"]
    heights = [bar.get_height() for bar in ax.patches]  # type: ignore[attr-defined]
    assert heights[0] == pytest.approx(16.0 * np.mean(allocated))


def test_who_uses_more_than_is_allocated_is_named(ax: Axes) -> None:
    values = {"vm": (1000.0, 5.0), "container": (40.8, 80.7)}
    frame = pd.DataFrame(
        [
            {"platform": name, "service": "all", "metric": metric, "value": value}
            for name, both in values.items()
            for metric, value in zip(("cpu.allocated", "cpu.utilization"), both, strict=True)
        ]
    )
    assert bars.allocated_and_used(frame, ax, key=KEY, kind="cpu", capacity=1.0) == ["container"]
    under = [label.get_text() for label in ax.get_xticklabels()]
    assert under == ["vm\n1,000 allocated\n5 used", "container\n40.8 allocated\n80.7 used"]


def metric_line(vm: Interval, container: Interval, name: str = "startup.p50") -> Line:
    return Line(describe(name), "all", {"vm": vm, "container": container}, {}, {})


def test_a_log_scale_only_where_no_interval_reaches_zero(ax: Axes) -> None:
    bars.of_metric(metric_line(Interval(1e-3, 1e-4, 5), Interval(1.0, 0.1, 5)), ax, key=KEY)
    assert ax.get_yscale() == "log"
    other = Figure().subplots()
    bars.of_metric(metric_line(Interval(1e-3, 2e-3, 5), Interval(1.0, 0.1, 5)), other, key=KEY)
    assert other.get_yscale() == "linear"


def test_a_share_has_no_whisker_above_one(ax: Axes) -> None:
    bars.of_metric(metric_line(Interval(0.0, 0.0, 5), Interval(0.6, 0.68, 5), "slo.met"), ax, key=KEY)
    tops = [segment[:, 1].max() for segment in ax.collections[0].get_segments()]  # type: ignore[attr-defined]
    assert max(tops) == pytest.approx(1.0)
