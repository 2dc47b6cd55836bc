from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.reading import units

FINITE = st.floats(min_value=-1e15, max_value=1e15, allow_nan=False)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("cpu", "250m", 0.25),
        ("cpu", "0.25", 0.25),
        ("cpu", 2, 2.0),
        ("size", "512Mi", 512 * 2**20),
        ("size", "512MiB", 512 * 2**20),
        ("size", "512MB", 512e6),
        ("size", "512M", 512e6),
        ("size", "0.5GB", 5e8),
        ("size", "3kB", 3000),
        ("size", "3KB", 3000),
        ("size", "3KiB", 3072),
        ("size", "1TiB", 2**40),
        ("size", "1e3 B", 1000),
        ("duration", "20ms", 0.02),
        ("duration", "3us", 3e-6),
        ("duration", "3µs", 3e-6),
        ("duration", "3μs", 3e-6),
        ("duration", "15min", 900),
        ("duration", "15 min", 900),
        ("duration", "2h", 7200),
        ("duration", "1d", 86400),
        ("duration", "1h30min", 5400),
        ("duration", "1h 30min 5s", 5405),
        ("rate", "100/s", 100),
        ("rate", "90/min", 1.5),
        ("rate", "36/h", 0.01),
        ("bandwidth", "10Gbit/s", 1.25e9),
        ("bandwidth", "1.5GB/s", 1.5e9),
        ("bandwidth", "8bit/s", 1),
        ("bandwidth", "1MiB/s", 2**20),
        ("ratio", "60%", 0.6),
        ("ratio", 1.5, 1.5),
        ("number", "3", 3),
    ],
)
def test_reads_every_form(kind: str, text: object, value: float) -> None:
    assert units.convert(kind, text) == value


@pytest.mark.parametrize(
    ("kind", "value", "suggestion"),
    [
        ("duration", 15, None),
        ("duration", 0, None),
        ("duration", "15", None),
        ("duration", "15m", "15min"),
        ("duration", "30min1h", None),
        ("duration", "1h1h", None),
        ("duration", "1h-3min", None),
        ("duration", "", None),
        ("duration", "ms", None),
        ("duration", "1e9999s", None),
        ("size", 64, None),
        ("size", "512m", "512M"),
        ("size", "64gb", "64GB"),
        ("size", "1Gbit", None),
        ("rate", 100, None),
        ("rate", "100", None),
        ("rate", "100rps", "100/s"),
        ("bandwidth", "10Gbps", "10Gbit/s"),
        ("bandwidth", "10GB", "10GB/s"),
        ("cpu", "2cores", None),
        ("cpu", True, None),
        ("cpu", math.nan, None),
        ("cpu", math.inf, None),
        ("ratio", "60 percent", None),
        ("ratio", None, None),
        ("ratio", [1], None),
        ("ratio", {}, None),
        ("number", "3s", None),
        ("number", "1e999", None),
    ],
)
def test_refuses_what_is_not_of_the_kind(kind: str, value: object, suggestion: str | None) -> None:
    with pytest.raises(units.UnitError) as caught:
        units.convert(kind, value)
    assert caught.value.allowed == units.DIMENSIONS[kind].allowed
    if suggestion is not None:
        assert caught.value.suggestion == suggestion


def test_decimal_and_binary_units_differ() -> None:
    assert units.convert("size", "1GiB") - units.convert("size", "1GB") == 2**30 - 10**9


@given(st.sampled_from(sorted(units.DIMENSIONS)), FINITE)
def test_render_and_convert_are_inverse(kind: str, value: float) -> None:
    text = units.render(kind, value)
    assert units.convert(kind, text) == value
    assert units.guess(text)[1] == value


@given(st.data())
def test_a_quantity_is_rounded_once(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([kind for kind in units.DIMENSIONS.values() if kind.units]))
    unit = data.draw(st.sampled_from(sorted(kind.units)))
    amount = data.draw(st.decimals(min_value=0, max_value=10**9, places=3))
    exact = Fraction(amount) * kind.units[unit]
    assert units.convert(kind.name, f"{amount:f}{unit}") == float(exact)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_compound_durations_add_up(hours: int, minutes: int, seconds: int, millis: int) -> None:
    text = f"{hours}h{minutes}min{seconds}s{millis}ms"
    expected = hours * 3600 + minutes * 60 + seconds + Fraction(millis, 1000)
    assert units.convert("duration", text) == float(expected)


def read(kind: str, text: str) -> float | units.UnitError:
    try:
        return units.convert(kind, text)
    except units.UnitError as error:
        return error


@given(st.text(max_size=12))
def test_any_text_is_read_or_refused_and_never_crashes(text: str) -> None:
    for kind in units.DIMENSIONS:
        result = read(kind, text)
        assert result.allowed if isinstance(result, units.UnitError) else math.isfinite(result)


@pytest.mark.parametrize(
    ("value", "kind"), [(8, "number"), ("250m", "cpu"), ("16GiB", "size"), ("20ms", "duration"), ("5/s", "rate"),
                        ("1Gbit/s", "bandwidth"), ("60%", "ratio")],
)  # fmt: skip
def test_guess_tells_the_kind_by_the_unit(value: object, kind: str) -> None:
    assert units.guess(value)[0] == kind


def test_guess_refuses_words() -> None:
    with pytest.raises(units.UnitError):
        units.guess("least-outstanding")
