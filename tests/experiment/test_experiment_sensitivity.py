import numpy as np
import pandas as pd
import pytest
from experiment_fakes import Span, stream

from sim.experiment.sensitivity.analysis import analyse, design, response, samples, tornado

OVER = [Span(("a",)), Span(("b",)), Span(("c", "d"))]


def linear(drawn):
    """4 a + b, nothing from c: variances 16 : 1 : 0."""
    return np.array([4 * point["a"] + point["b"] for point in drawn.points])


def ishigami(drawn):
    x = (2 * drawn.shares - 1) * np.pi
    return np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])


def test_sobol_indices_of_ishigami_are_the_known_ones():
    drawn = design("sobol", OVER, 1024)
    found = {each.parameter: each for each in analyse(drawn, ishigami(drawn)).effects}
    # Saltelli et al., Global Sensitivity Analysis: The Primer (2008), a = 7, b = 0.1: total 0.558, 0.442, 0.244
    for name, total in {"a": 0.558, "b": 0.442, "c, d": 0.244}.items():
        assert found[name].strength == pytest.approx(total, abs=0.04)
        assert abs(found[name].strength - total) < 2 * found[name].half_width
    assert found["c, d"].interaction == pytest.approx(0.244, abs=0.05)  # c acts only together with a
    assert found["b"].interaction == pytest.approx(0, abs=0.05)


# the means of the outer quarters are 3/4 of the range apart; Morris' levels there are the ends themselves
@pytest.mark.parametrize(("method", "size", "apart"), [("sobol", 64, 7.5), ("morris", 10, 10)])
def test_the_strongest_comes_first_with_its_ends(method, size, apart):
    drawn = design(method, OVER, size)
    found = analyse(drawn, linear(drawn))
    assert [each.parameter for each in found.effects] == ["a", "b", "c, d"]
    first, _, last = found.effects
    assert first.high > found.mean > first.low
    assert first.high - first.low == pytest.approx(4 * apart, rel=0.12)
    assert last.strength == pytest.approx(0, abs=1e-9)
    frame = tornado(found)
    assert list(frame["parameter"]) == ["a", "b", "c, d"]
    assert list(frame.columns)[1:] == ["strength", "half_width", "interaction", "low", "high", "middle"]


def test_morris_effects_are_over_the_whole_range():
    drawn = design("morris", OVER, 8)
    found = analyse(drawn, linear(drawn))
    assert [each.strength for each in found.effects] == pytest.approx([40, 10, 0])
    assert len(drawn.points) == 8 * 4


def test_joint_paths_move_together():
    for method, size in (("sobol", 8), ("morris", 4)):
        assert all(point["c"] == point["d"] for point in design(method, OVER, size).points)


def test_plain_samples_give_first_order_indices():
    rng = stream(4)
    points = [{"a": rng.uniform(0, 10), "b": rng.uniform(0, 10), "c": rng.uniform(2, 3)} for _ in range(512)]
    drawn = samples(points, ["a", "b", "c"])
    found = {each.parameter: each for each in analyse(drawn, linear(drawn)).effects}
    assert found["a"].strength == pytest.approx(16 / 17, abs=0.03)
    assert found["c"].strength == pytest.approx(0, abs=0.1)


def test_a_metric_that_nothing_moves_has_no_effects():
    drawn = design("sobol", OVER, 8)
    assert [each.strength for each in analyse(drawn, np.ones(len(drawn.points))).effects] == [0, 0, 0]


def test_a_design_is_reproducible():
    for method, size in (("sobol", 8), ("morris", 4)):
        assert design(method, OVER, size, seed=3).points == design(method, OVER, size, seed=3).points
        assert design(method, OVER, size, seed=3).points != design(method, OVER, size, seed=4).points


@pytest.mark.parametrize(("method", "size"), [("sobol", 12), ("morris", 1), ("guess", 8)])
def test_impossible_designs_are_refused(method, size):
    with pytest.raises(ValueError, match=r"power of two|trajectories|sobol or morris"):
        design(method, OVER, size)


def test_values_that_do_not_fit_are_refused():
    drawn = design("sobol", OVER, 8)
    with pytest.raises(ValueError, match="do not fit"):
        analyse(drawn, np.ones(3))
    with pytest.raises(ValueError, match="finite"):
        analyse(drawn, np.full(len(drawn.points), np.nan))
    with pytest.raises(ValueError, match="same at every point"):
        samples([{"a": 1.0}, {"a": 1.0}], ["a"])


def table(points=4, lacking=()):
    rows = [
        {"point": p, "platform": platform, "replication": r, "service": "all", "metric": "goodput"}
        | {"value": 10 * p + (5 if platform == "vm" else 0) + r}
        for p in range(points)
        for platform in ("vm", "container")
        for r in range(3)
        if p not in lacking
    ]
    rows.append({"point": points - 1, "platform": "vm", "replication": 0, "service": "shop", "metric": "goodput"})
    return pd.DataFrame(rows)


def test_response_is_the_mean_over_replications_or_of_the_difference():
    assert response(table(), "goodput", "container").tolist() == [1, 11, 21, 31]
    assert response(table(), "goodput", "vm", minus="container").tolist() == [5, 5, 5, 5]


def test_a_point_without_the_metric_is_named():
    with pytest.raises(ValueError, match="missing at 2 points of the design: 0, 2"):
        response(table(lacking=(0, 2)), "goodput", "vm")
    with pytest.raises(ValueError, match="no goodput of all on microvm"):
        response(table(), "goodput", "microvm")


def test_few_points_do_not_make_an_idle_parameter_strong():
    strengths = []
    for seed in range(50):
        rng = stream(5, seed)
        points = [{"a": rng.uniform(), "b": rng.uniform()} for _ in range(32)]
        drawn = samples(points, ["a", "b"])
        values = np.array([point["a"] ** 3 for point in points]) + rng.normal(0, 0.02, 32)
        found = {each.parameter: each.strength for each in analyse(drawn, values).effects}
        assert found["a"] > 0.9
        strengths.append(found["b"])
    assert np.mean(strengths) < 0.05
