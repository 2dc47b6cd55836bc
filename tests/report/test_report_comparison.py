"""The comparison, its table and its sentences."""

import io
import json
import re
from collections.abc import Mapping, Sequence

import pytest
from rich.console import Console

from sim.report.answers.comparison import Comparison, compare
from sim.report.answers.plain import comparison_dict
from sim.report.answers.verdict import conclude
from sim.report.metrics.measures import SummaryRow, measure
from sim.report.metrics.numbers import share, spread, text, times
from sim.report.text.terminal import ComparisonView, make_console, render

from .fixtures import FakeScenario, FakeService, burst, with_services

HOST = {"cores": 16.0, "memory": 64 * 2.0**30}
UNITS = {"response.p99": "s", "requests.arrived": "1", "requests.completed": "1", "startup.p50": "s"}


def rows_of(metric: str, values: Mapping[str, Sequence[float]], service: str = "all") -> list[SummaryRow]:
    return [
        SummaryRow(platform, replication, service, metric, UNITS.get(metric, "1"), value)
        for platform, sample in values.items()
        for replication, value in enumerate(sample)
    ]


def measured(platforms: Sequence[str], replications: int, services: Sequence[str] = ("shop",)) -> Comparison:
    scenario = FakeScenario(services=dict.fromkeys(services, FakeService()))
    rows = [
        row
        for platform in platforms
        for replication in range(replications)
        for row in measure(with_services(burst(platform, replication), services), scenario)
    ]
    return compare("burst", rows, platforms=platforms, host=HOST)


# ---------------------------------------------------------------- who is better


def test_better_and_clear_when_the_paired_interval_excludes_zero() -> None:
    rows = rows_of("response.p99", {"vm": [10.0, 50.0, 30.0], "container": [9.0, 48.9, 29.0]})
    line = compare("x", rows).line("response.p99")
    assert line is not None
    assert (list(line.best), line.clear) == (["container"], True)
    assert line.differences["container"].mean == pytest.approx(-3.1 / 3)
    assert line.ratios["container"] == pytest.approx((86.9 / 3) / 30)


def test_not_clear_when_it_does_not_or_pairs_are_not_pairs() -> None:
    noisy = rows_of("response.p99", {"vm": [1.0, 2.0, 3.0], "container": [2.0, 1.0, 2.9]})
    paired = rows_of("response.p99", {"vm": [10.0, 50.0, 30.0], "container": [9.0, 48.9, 29.0]})
    for comparison in (compare("x", noisy), compare("x", paired, paired=False)):
        line = comparison.line("response.p99")
        assert line is not None
        assert (list(line.best), line.clear) == (["container"], False)


def test_higher_is_better_for_completed_and_nothing_for_arrived() -> None:
    rows = rows_of("requests.completed", {"a": [5.0] * 3, "b": [7.0] * 3})
    rows += rows_of("requests.arrived", {"a": [5.0] * 3, "b": [7.0] * 3})
    comparison = compare("x", rows)
    completed, arrived = comparison.line("requests.completed"), comparison.line("requests.arrived")
    assert completed is not None
    assert arrived is not None
    assert (list(completed.best), list(arrived.best)) == (["b"], [])


def test_equal_best_ones_are_named_together() -> None:
    rows = rows_of("response.p99", {"a": [1.0] * 3, "b": [1.0] * 3, "c": [2.0, 2.1, 2.2]})
    line = compare("x", rows).line("response.p99")
    assert line is not None
    assert (list(line.best), line.clear) == (["a", "b"], True)


def test_a_metric_that_only_one_platform_has_has_no_winner() -> None:
    rows = rows_of("startup.p50", {"vm": [3.0]}) + rows_of("response.p99", {"native": [1.0], "vm": [1.0]})
    line = compare("x", rows, platforms=["native", "vm"]).line("startup.p50")
    assert line is not None
    assert (list(line.best), line.differences) == ([], {})


def test_comparing_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no run has finished"):
        compare("x", [])


def test_only_the_six_worst_of_many_services_get_a_block() -> None:
    rows: list[SummaryRow] = []
    for number in range(10):
        rows += rows_of("requests.arrived", {"vm": [100.0]}, f"s{number}")
        rows += rows_of("requests.completed", {"vm": [90.0 + number]}, f"s{number}")
    comparison = compare("x", rows_of("requests.arrived", {"vm": [1000.0]}) + rows)
    assert comparison.services == ["all", *(f"s{number}" for number in range(6))]
    assert comparison.left_out == 4


def test_the_comparison_as_json_has_every_metric_in_si_units() -> None:
    comparison = measured(["vm", "container"], 3)
    data = json.loads(json.dumps(comparison_dict(comparison, conclude(comparison))))
    by_name = {(each["service"], each["metric"]): each for each in data["metrics"]}
    startup = by_name["all", "startup.p50"]
    assert startup["unit"] == "s"
    assert startup["values"]["vm"]["mean"] > 30.0
    assert startup["values"]["vm"]["half_width_95"] > 0.0
    assert startup["best"] == ["container"]
    assert by_name["shop", "startup.mean"]["clear"]
    assert data["verdict"][0].startswith("burst: container served")


# ---------------------------------------------------------------- the table


@pytest.mark.parametrize("every", [False, True])
def test_the_table_fits_its_width_and_nothing_is_cut(every: bool) -> None:
    for platforms, width in ((["vm", "container"], 100), (["native", "container", "microvm", "vm"], 100), (["vm"], 80)):
        shown = render(measured(platforms, 3), width=width, all_rows=every)
        assert max(len(line) for line in shown.splitlines()) <= width
        assert "…" not in shown


def test_intervals_appear_from_three_replications_up() -> None:
    assert "±" in render(measured(["vm", "container"], 3))
    two = render(measured(["vm", "container"], 2))
    assert "±" not in two
    assert "●" not in two
    assert "so no intervals" in two


def test_a_narrow_table_gives_up_the_difference_before_the_intervals() -> None:
    narrow = render(measured(["vm", "container"], 3), width=80)
    assert "±" in narrow
    assert "container − vm" not in narrow
    assert "container − vm" in render(measured(["vm", "container"], 3), width=120)


def test_three_platforms_keep_their_intervals_at_80_columns() -> None:
    narrow = render(measured(["vm", "microvm", "container"], 3), width=80)
    assert re.search(r"\d ±(<1|\d+)%", narrow)
    assert "in per cent of it" in narrow
    assert max(len(line) for line in narrow.splitlines()) <= 80


def test_the_short_form_says_the_answer_before_the_rows_that_carry_it() -> None:
    comparison = measured(["vm", "container"], 3)
    shown, whole = render(comparison), render(comparison, all_rows=True)
    assert shown.index(" served ") < shown.index("response p99")
    assert "memory stranded" not in shown
    assert "memory stranded" in whole
    assert len(shown.splitlines()) <= 40 < len(whole.splitlines())


def test_one_platform_has_no_columns_of_difference() -> None:
    shown = render(measured(["container"], 3), all_rows=True)
    assert [line.split() for line in shown.splitlines()][2] == ["container"]
    assert not {"−", "×", "●"} & set(shown)


def test_several_services_get_a_block_each_and_one_does_not() -> None:
    several = render(measured(["vm", "container"], 1, ("web", "api")), all_rows=True)
    assert [several.count(title) for title in ("all services together", "\nweb\n", "\napi\n")] == [1, 1, 1]
    assert "all services together" not in render(measured(["vm", "container"], 1), all_rows=True)


def test_questions_stand_above_their_metrics() -> None:
    shown = render(measured(["vm", "container"], 1), all_rows=True)
    asked = ["Who served the users better?", "response p99", "How fast do they start?", "os p50"]
    asked += ["How busy is the host?", "memory stranded", "How many fit?", "guests, peak", "In short"]
    places = [shown.index(words) for words in asked]
    assert places == sorted(places)


def test_a_pipe_is_a_hundred_columns_wide_without_colour() -> None:
    out = io.StringIO()
    make_console(out).print(ComparisonView(measured(["vm", "container"], 3)))
    assert "\x1b" not in out.getvalue()
    assert max(len(line.rstrip()) for line in out.getvalue().splitlines()) <= 100


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    comparison = ComparisonView(measured(["vm", "container"], 3))
    out = io.StringIO()
    Console(file=out, force_terminal=True, width=100, color_system="standard").print(comparison)
    assert "\x1b[32m" in out.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = io.StringIO()
    Console(file=plain, force_terminal=True, width=100, color_system="standard").print(comparison)
    assert "\x1b[32m" not in plain.getvalue()
    bare = io.StringIO()
    make_console(bare, force_terminal=True).print(comparison)
    assert "\x1b[" not in bare.getvalue()  # no bold letters either


def test_the_width_is_that_of_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    for columns, width in (("70", 70), ("130", 130), ("x", 100)):
        monkeypatch.setenv("COLUMNS", columns)
        assert make_console(io.StringIO()).width == width


# ---------------------------------------------------------------- the sentences


def test_a_share_is_never_rounded_to_all_or_nothing() -> None:
    parts = (0.0, 0.0000217, 0.0006, 0.271, 0.9996, 0.99998, 1.0)
    assert [share(part) for part in parts] == ["0 %", "under 0.1 %", "0.1 %", "27.1 %", "99.96 %", "99.998 %", "100 %"]


def test_the_verdict_names_the_better_platform_with_numbers() -> None:
    lines = conclude(measured(["vm", "container"], 3))
    assert 3 <= len(lines) <= 6
    assert lines[0].startswith("burst: container served 99.1 % of 106,316 requests in time, vm 57.3 %.")
    assert "timed out" in lines[0]
    starts = next(line for line in lines if line.startswith("Start-up p50 container 2.03 s, vm 33.6 s (×17)."))
    assert "Of what vm lost, 27.1 % while replicas were starting, 0 % while the host was full" in starts
    assert any("vm 12.3 GiB" in line or "12.3 GiB allocated" in line for line in lines)
    assert "95 % intervals" in lines[-1]


def lost(starting: float, full: float) -> list[str]:
    slow = {"vm": [30.0] * 3, "container": [1.0] * 3}
    rows = rows_of("requests.arrived", {"vm": [100.0] * 3, "container": [100.0] * 3})
    rows += rows_of("requests.completed", {"vm": [80.0] * 3, "container": [99.0] * 3})
    rows += rows_of("lost.starting", {"vm": [starting] * 3}) + rows_of("lost.full", {"vm": [full] * 3})
    return conclude(compare("x", rows + rows_of("startup.p50", slow) + rows_of("scale_out.time", slow)))


def test_start_up_is_a_reason_only_where_requests_were_lost_meanwhile() -> None:
    told = [line for line in lost(0.75, 0.0) if line.startswith("Likely why")]
    assert len(told) == 1
    assert "what vm lost" in told[0]
    assert not any("why" in line for line in lost(0.25, 0.75))
    assert any("what vm lost" in line for line in lost(0.25, 0.75))


def test_start_up_is_no_reason_when_the_slow_starter_serves_best() -> None:
    slow = {"vm": [30.0] * 3, "container": [1.0] * 3}
    rows = rows_of("requests.arrived", {"vm": [100.0] * 3, "container": [100.0] * 3})
    rows += rows_of("requests.completed", {"vm": [99.0] * 3, "container": [80.0] * 3})
    rows += rows_of("startup.p50", slow) + rows_of("scale_out.time", slow)
    lines = conclude(compare("x", rows))
    assert lines[0].startswith("x: vm served 99.0 %")
    assert not any("why" in line for line in lines)
    assert any(line.startswith("Start-up p50") for line in lines)


def test_equal_service_is_told_as_equal() -> None:
    rows = rows_of("requests.arrived", {"vm": [100.0], "container": [100.0]})
    rows += rows_of("requests.completed", {"vm": [100.0], "container": [100.0]})
    lines = conclude(compare("x", rows, platforms=["vm", "container"]))
    assert lines == [
        "x: vm and container each served 100 % of 100 requests.",
        "One replication: no interval can be given, a small difference may be chance.",
    ]


def test_what_is_not_clear_is_said_to_be_unclear() -> None:
    rows = rows_of("response.p99", {"vm": [1.0, 2.0, 3.0], "container": [2.0, 1.0, 2.9]})
    assert conclude(compare("x", rows))[0].endswith("(×1.0) – no clear difference.")


def test_a_run_without_requests_is_told_by_its_starts() -> None:
    lines = conclude(compare("storm", rows_of("startup.p50", {"vm": [30.0], "container": [1.5]})))
    assert lines[0] == "storm: Start-up p50 container 1.50 s, vm 30.0 s (×20)."


# ---------------------------------------------------------------- units


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.0, "s", "0 ms"),
        (3.2e-5, "s", "32.0 µs"),
        (0.1234, "s", "123 ms"),
        (31.24, "s", "31.2 s"),
        (1200.0, "s", "20.0 min"),
        (2.0**30 * 12.34, "B", "12.3 GiB"),
        (64 * 2.0**30, "B", "64 GiB"),
        (0.1234, "ratio", "12.3 %"),
        (93210.0, "1", "93,210"),
        (77.55, "1/s", "77.5 /s"),
        (1.0, "0/1", "yes"),
        (0.6, "0/1", "in 60 %"),
    ],
)
def test_values_are_written_for_people(value: float, unit: str, shown: str) -> None:
    assert text(value, unit) == shown


def test_an_interval_is_written_to_two_digits() -> None:
    line = compare("x", rows_of("response.p99", {"vm": [31.0, 31.2, 31.4]})).line("response.p99")
    assert line is not None
    assert spread(line.values["vm"], "s") == "31.20 ± 0.50 s"


def test_a_difference_of_percentages_is_in_percentage_points() -> None:
    assert text(-0.163, "ratio", sign=True) == "−16.3 pp"


@pytest.mark.parametrize(("ratio", "shown"), [(0.0289, "×0.029"), (1.0, "×1.0"), (33.6, "×34"), (0.0, "×0")])
def test_ratios_have_two_digits(ratio: float, shown: str) -> None:
    assert times(ratio) == shown


@pytest.mark.parametrize(
    ("part", "shown"), [(1.0, "100 %"), (0.9996, "99.96 %"), (0.5, "50.0 %"), (0.99999999, "over 99.9999 %")]
)
def test_shares_are_never_rounded_up_to_all(part: float, shown: str) -> None:
    assert share(part) == shown
