"""Figures of a density search and of a crossover: what is in them, and that they are saved."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sim.report.figures import density
from sim.report.figures.crossover import difference, save_crossover


def rows(platform: str, tried: dict[float, float], limit: float = 1.0) -> list[dict[str, Any]]:
    return [
        {"platform": platform, "value": value, "holds": bound <= limit, "service": "api", "objective": "p99",
         "mean": bound, "bound": bound, "limit": limit}
        for value, bound in tried.items()
    ]  # fmt: skip


CURVE = [*rows("vm", {10: 0.4, 20: 0.9, 30: 7.0}), *rows("container", {10: 0.3, 20: 0.5, 30: 0.8})]
MOST = {"vm": 20.0, "container": 30.0}


def test_the_density_figure_says_the_number_and_what_broke() -> None:
    ax = density.answers(CURVE, MOST, {"vm": "tail: too slow"}, Figure().subplots(), "/s")
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["vm: 20/s", "container: ≥ 30/s"]
    assert [bar.get_width() for bar in ax.patches] == [20.0, 30.0]
    words = " ".join(each.get_text() for each in ax.texts)
    assert "above it: tail: too slow" in words
    assert "nothing broke" in words


def test_the_curve_ends_at_the_edge_of_its_scale() -> None:
    ax = density.used_up(CURVE, MOST, Figure().subplots())
    line = next(each for each in ax.lines if each.get_label() == "vm: p99 of api")
    assert list(line.get_ydata()) == [0.4, 0.9, density.MOST_SHARE]
    lost = {**CURVE[0], "objective": "availability", "bound": 0.98, "limit": 0.99}
    ax = density.used_up([lost], {"vm": None}, Figure().subplots())
    assert np.isclose(ax.lines[0].get_ydata()[0], 2.0)  # twice the loss that is allowed


def test_density_is_saved_with_and_without_a_curve(tmp_path: Path) -> None:
    with_curve = density.save_density(CURVE, MOST, {}, tmp_path / "a.png", "load", "/s", "x")
    bare = [{**row, "objective": ""} for row in CURVE]
    without = density.save_density(bare, {"vm": None, "container": 30.0}, {}, tmp_path / "b.png", "n", "")
    assert with_curve.stat().st_size > without.stat().st_size > 10_000


def crossover(**more: Any) -> Any:
    vm, container = np.array([[2.0, 2.1, 2.2]] * 3), np.array([[1.0, 1.1, 1.2], [2.0, 2.1, 2.2], [3.0, 3.1, 3.2]])
    return SimpleNamespace(
        a="vm", b="container", metric="response.p99", values=(1.0, 2.0, 3.0), differences=vm - container,
        series={"vm": vm, "container": container}, unlike=(), **more,
    )  # fmt: skip


def test_the_crossover_figure_shows_where_and_how_sure(tmp_path: Path) -> None:
    crossing = SimpleNamespace(at=2.0, low=1.5, high=float("inf"))
    found = crossover(crossings=(crossing,))
    ax = difference(found, Figure().subplots())
    (span,) = ax.patches
    assert (span.get_x(), span.get_x() + span.get_width()) == (1.5, 3.0)  # as far as the axis goes
    assert [float(each.get_xdata()[0]) for each in ax.lines if each.get_linestyle() == "--"] == [2.0]
    assert list(ax.lines[0].get_ydata()) == [1.0, 0.0, -1.0]
    assert save_crossover(found, tmp_path / "c.png", "load", "/s", "x").stat().st_size > 10_000
    bare = crossover(crossings=(SimpleNamespace(at=2.0, low=None, high=None),))
    assert not difference(bare, Figure().subplots()).patches
