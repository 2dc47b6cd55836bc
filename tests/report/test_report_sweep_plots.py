"""Figures of a sweep: which are drawn, and that they say what they show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sim.report.figures.names import short, spoken
from sim.report.figures.sweep import SweepAxes, axes_of, heat_map, lines, save_sweep_plots, with_served

STAGES = "services.shop.traffic.ramping-arrival-rate.stages.1.target"


def table() -> pd.DataFrame:
    rows = [
        {"point": 4 * i + 2 * j + k, "host.cores": cores, STAGES: rate, "cpu_overcommit": over, "still": 1,
         "platform": name, "replication": r, "service": "all", "metric": "response.p99", "unit": "s",
         "value": factor * rate / cores * (1 + 0.01 * r)}
        for i, cores in enumerate((8, 16))
        for j, rate in enumerate((250.0, 500.0))
        for k, over in enumerate((1, 2))
        for name, factor in (("vm", 1.0), ("container", 0.02))
        for r in range(3)
    ]  # fmt: skip
    return pd.DataFrame(rows)


AXES = SweepAxes(("host.cores", STAGES, "cpu_overcommit"), ())


def test_axes_that_never_move_are_left_out() -> None:
    assert axes_of(table(), [["host.cores"], ["still"], [STAGES, "other"]], [["none"]]) == SweepAxes(
        ("host.cores", STAGES), ()
    )


def head(figure: Figure) -> str:
    return " | ".join(each.get_text() for each in figure.texts)


def test_nothing_is_averaged_away_that_has_a_panel() -> None:
    figure = heat_map(with_served(table(), "response.p99"), AXES.factors, "response.p99", "demo")
    assert "mean over" not in head(figure)
    panels = {ax.get_title(loc="left") or ax.get_title(): ax for ax in figure.axes}
    assert set(panels) - {""} == {f"{name}, CPU overcommit: {over}" for name in ("vm", "container") for over in (1, 2)}
    assert {text.get_text() for text in panels["vm, CPU overcommit: 2"].texts} == {"31.6 s", "63.1 s", "15.8 s"}
    assert panels["vm, CPU overcommit: 2"].get_xlabel() == "shop: stage 2 target (1/s)"
    deeper = with_served(table(), "response.p99").assign(extra=1.0)
    axes = (*AXES.factors, "extra")
    assert "mean over extra" in head(heat_map(deeper, axes, "response.p99", "demo"))
    assert "mean over extra" in head(lines(deeper, "host.cores", SweepAxes(axes, ()), "response.p99", "demo"))


def test_lines_have_a_band_and_ticks_between_decades() -> None:
    figure = lines(with_served(table(), "response.p99"), "host.cores", AXES, "response.p99", "demo")
    panel = figure.axes[0]
    assert len(figure.axes) == 4  # loads side by side, overcommits under one another
    assert panel.get_yscale() == "log"
    assert len(panel.get_lines()) == len(panel.collections) == 2
    line = panel.get_lines()[0]
    assert np.allclose(line.get_ydata(), [250 / 8 * 1.01, 250 / 16 * 1.01])
    assert list(figure.axes[-1].get_xticks()) == [8, 16]
    low, high = panel.get_ylim()
    assert sum(low <= tick <= high for tick in panel.get_yticks()) >= 3


def test_no_log_axis_where_an_interval_reaches_zero() -> None:
    frame = table()
    frame.loc[(frame["platform"] == "container") & (frame["replication"] == 0), "value"] = 0.0
    frame = with_served(frame, "response.p99")
    assert lines(frame, "host.cores", AXES, "response.p99", "demo").axes[0].get_yscale() == "linear"


def survivors() -> pd.DataFrame:
    """On eight cores the VMs lose half their requests."""
    frame = table()
    lost = (frame["platform"] == "vm") & (frame["host.cores"] == 8)
    counts = [
        frame.assign(metric=f"requests.{what}", unit="1", value=100.0 * np.where(lost, part, 1.0))
        for what, part in (("arrived", 1.0), ("completed", 0.5))
    ]
    return pd.concat([frame, *counts], ignore_index=True)


def test_percentiles_of_survivors_are_marked_with_the_share_served() -> None:
    chosen = with_served(survivors(), "response.p99")
    assert len(chosen) == len(table())
    assert set(chosen["served"]) == {0.5, 1.0}
    figure = lines(chosen, "host.cores", AXES, "response.p99", "demo")
    assert [text.get_text() for text in figure.axes[0].texts] == ["50 %"]
    assert "no winner can be named" in head(figure)
    cells = heat_map(chosen, AXES.factors, "response.p99", "demo")
    assert {text.get_text() for text in cells.axes[0].texts} == {
        "31.6 s\n[50 %]", "63.1 s\n[50 %]", "15.8 s", "31.6 s",
    }  # fmt: skip
    assert set(with_served(survivors().replace("response.p99", "startup.p50"), "startup.p50")["served"]) == {1.0}


def test_what_fits_the_sweep_is_saved(tmp_path: Path) -> None:
    made = save_sweep_plots(table(), AXES, "response.p99", tmp_path, "demo", {})
    assert [path.name for path in made] == [
        "response.p99-lines-host.cores.png", "response.p99-lines-stages.1.target.png",
        "response.p99-lines-cpu_overcommit.png", "response.p99-heat-map.png",
    ]  # fmt: skip
    assert save_sweep_plots(table(), AXES, "goodput", tmp_path, "demo", {}) == []


def test_axes_speak() -> None:
    assert spoken(STAGES) == "shop: stage 2 target (1/s)"
    assert spoken(f"axis.{STAGES},x", "/s") == "shop: stage 2 target (and 1 more with it) (1/s)"
    assert spoken("traffic", " × the file's") == "traffic (× the file's)"
    assert spoken("services.api.request_cpu.exponential.mean") == "api: request CPU mean (s)"
    assert spoken("services.small.tenants") == "small: tenants"
    assert spoken("host.cores") == "host cores"
    assert spoken("platforms.vm.cpu.overhead") == "vm: CPU overhead"


def test_long_paths_keep_the_end_that_says_what_they_are() -> None:
    assert short("host.cores") == "host.cores"
    assert short("services.api.request_cpu.exponential.mean") == "request_cpu.exponential.mean"
    assert short(f"{STAGES},other") == "stages.1.target"
