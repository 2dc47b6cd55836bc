"""Figures of a sweep: which are drawn, and that they say what they show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from sim.report.figures import sweep
from sim.report.figures.sweep import SweepAxes, axes_of, heat_map, lines, save_sweep_plots

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


def test_what_is_averaged_away_is_said(tmp_path: Path) -> None:
    figure = heat_map(table(), AXES.factors, "response.p99", "demo")
    assert figure.get_suptitle() == "demo: response p99, dark is better (mean over cpu_overcommit)"
    panels = [ax for ax in figure.axes if ax.get_title(loc="left") or ax.get_title()]
    assert panels[0].get_xlabel() == "stages.1.target"
    assert {text.get_text() for text in panels[0].texts} == {"31.6 s", "63.1 s", "15.8 s"}
    assert "mean over cpu_overcommit" in lines(table(), "host.cores", AXES, "response.p99", "demo").get_suptitle()


def test_lines_have_a_band_and_ticks_between_decades() -> None:
    figure = lines(table(), "host.cores", AXES, "response.p99", "demo")
    panel = figure.axes[0]
    assert panel.get_yscale() == "log"
    assert len(panel.get_lines()) == len(panel.collections) == 2
    line = panel.get_lines()[0]
    assert np.allclose(line.get_ydata(), [250 / 8 * 1.01, 250 / 16 * 1.01])
    figure.canvas.draw()
    low, high = panel.get_ylim()
    assert sum(low <= tick <= high for tick in panel.get_yticks()) >= 3


def test_what_fits_the_sweep_is_saved(tmp_path: Path) -> None:
    made = save_sweep_plots(table(), AXES, "response.p99", tmp_path, "demo", {})
    assert [path.name for path in made] == [
        "response.p99-lines-host.cores.png", "response.p99-lines-stages.1.target.png",
        "response.p99-lines-cpu_overcommit.png", "response.p99-heat-map.png",
    ]  # fmt: skip
    assert save_sweep_plots(table(), AXES, "goodput", tmp_path, "demo", {}) == []


def test_long_paths_keep_the_end_that_says_what_they_are() -> None:
    assert sweep._short("host.cores") == "host.cores"
    assert sweep._short("services.api.request_cpu.exponential.mean") == "request_cpu.exponential.mean"
    assert sweep._short(f"{STAGES},other") == "stages.1.target"
