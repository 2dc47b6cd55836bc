import numpy as np
import pytest

from sim.report.metrics.samples import merge, quantiles, response_curve
from sim.terms.records import Times

from .fixtures import burst, exact, histogram, with_services


def test_exact_quantiles_are_numpys_linear_method() -> None:
    values = np.random.default_rng(3).exponential(1.0, 999)
    asked = [0.0, 0.5, 0.99, 1.0]
    assert quantiles(exact(values), asked) == pytest.approx(np.quantile(values, asked, method="linear"))


def test_quantiles_of_nothing_are_nan() -> None:
    assert np.isnan(quantiles(exact([]), [0.5])).all()


def test_histogram_is_interpolated_inside_the_bin() -> None:
    sample = Times(10, 0.0, edges=np.array([0.0, 1.0, 2.0, 4.0]), counts=np.array([5, 0, 5]))
    assert quantiles(sample, [0.0, 0.25, 0.75, 1.0]) == pytest.approx([0.0, 0.5, 3.0, 4.0])


def test_quantiles_never_fall_into_an_empty_bin() -> None:
    sample = Times(10, 0.0, edges=np.array([0.0, 1.0, 100.0, 101.0]), counts=np.array([9, 0, 1]))
    assert 100.0 <= quantiles(sample, [0.95])[0] <= 101.0
    assert quantiles(sample, [0.85])[0] <= 1.0


def test_merging_histograms_of_equal_edges_adds_their_counts() -> None:
    one, two = histogram(np.array([0.1, 0.2])), histogram(np.array([0.2, 5.0]))
    both = merge([one, two])
    assert both.count == 4
    assert both.total == pytest.approx(5.5)
    assert both.counts is not None
    assert both.counts == pytest.approx(np.asarray(one.counts) + np.asarray(two.counts))


def test_merging_keeps_every_value_when_edges_differ() -> None:
    coarse = Times(4, 6.0, edges=np.array([0.0, 2.0, 4.0]), counts=np.array([2, 2]))
    fine = Times(2, 3.0, edges=np.array([1.0, 2.0, 3.0]), counts=np.array([1, 1]))
    both = merge([coarse, fine, exact([9.0])])
    assert both.counts is not None
    assert both.counts.sum() == pytest.approx(7.0)
    assert quantiles(both, [1.0])[0] == pytest.approx(9.0)


def test_merging_nothing_gives_an_empty_sample() -> None:
    assert merge([exact([]), exact([])]).count == 0


def test_response_curve_falls_from_the_fastest_to_the_slowest() -> None:
    records = with_services(burst("container"), ["a", "b"])
    curve = response_curve(records)
    assert set(curve["service"]) == {"all", "a", "b"}
    one = curve["service"] == "a"
    response = records.requests["a"].response
    assert response.values is not None
    assert np.all(np.diff(curve["probability"][one]) < 0)
    assert np.all(np.diff(curve["seconds"][one]) >= 0)
    assert curve["seconds"][one][0] == pytest.approx(response.values.min())
    assert curve["probability"][one][-1] * response.count >= 1.0
    at = int(np.argmin(abs(curve["probability"][one] - 0.01)))
    assert curve["seconds"][one][at] == pytest.approx(np.quantile(response.values, 0.99), rel=1e-6)


def test_response_curve_of_a_run_without_requests_is_empty() -> None:
    records = with_services(burst("vm"), [])
    assert len(response_curve(records)["seconds"]) == 0


def test_quantiles_of_values_in_order_are_those_of_numpy() -> None:
    generator = np.random.default_rng(5)
    asked = np.concatenate(([0.0, 0.5, 1.0], generator.random(200)))
    for n in (1, 2, 3, 10, 1001):
        values = generator.lognormal(size=n)
        np.testing.assert_array_equal(quantiles(exact(values), asked), np.quantile(values, asked))
