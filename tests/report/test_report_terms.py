"""One vocabulary: what two rooms must say alike is compared here, and the reference is made from the metrics."""

import pickle
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest

import sim
from sim import registry
from sim.engine import layout
from sim.model.guests.service import ROUTING_CODES
from sim.reading.errors import ScenarioError
from sim.report.answers.comparison import compare
from sim.report.metrics.known import describe, in_order, known, places
from sim.report.metrics.measures import measure
from sim.report.text.terminal import render
from sim.scenario import Slo
from sim.terms import columns
from sim.terms.metrics import (
    FITS,
    METRICS,
    QUESTIONS,
    STARTUP_STATS,
    TAILS,
    Measured,
    Metric,
    phase_metric,
    phase_metrics,
)
from sim.terms.records import RequestTally

from .fixtures import FakeScenario, burst

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "results.md").read_text("utf-8")
STEADY = ROOT / "scenarios" / "steady.yaml"


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    monkeypatch.setattr(registry, "_ENTRIES", {kind: dict(names) for kind, names in registry._ENTRIES.items()})


def test_the_data_plane_and_the_tables_name_the_fates_of_a_request_alike() -> None:
    assert columns.STATUSES == layout.STATUS_NAMES
    assert [name.replace("-", "_") for name in columns.STATUSES] == [each.name for each in fields(RequestTally)][1:6]


def test_objectives_are_on_the_percentiles_that_are_measured() -> None:
    assert set(Slo.model_fields) == {*TAILS, "availability"}
    assert {f"response.{name}" for name in TAILS} <= set(known())


def test_routing_names_are_those_of_the_type() -> None:
    assert get_args(columns.Routing) == columns.ROUTING
    assert set(ROUTING_CODES) == set(columns.ROUTING)
    assert all(isinstance(getattr(layout, name.upper().replace("-", "_")), int) for name in columns.ROUTING)


def test_a_column_of_the_timeline_is_taken_from_the_host_at_a_moment() -> None:
    host = SimpleNamespace(cpu_held=3.0, cores=8.0, memory_allocated=2e9, memory=16e9)
    before = SimpleNamespace(arrived=10, completed=4)
    now = SimpleNamespace(arrived=17, completed=9, in_flight=8, ready=2, memory=1e9)
    moment = columns.Moment(30.0, 5, 1.25, 3e8, 0.75, host, now, before)
    expected = [30.0, 5, 2, 1.25, 3.0, 8.0, 1e9, 2e9, 16e9, 8, 7, 5, 3e8, 0.75]
    assert [column.get(moment) for column in columns.STATE] == expected


def test_every_metric_is_whole() -> None:
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    for metric in (*METRICS, *phase_metrics("boot")):
        assert metric.measure is not None, metric.name
        assert metric.meaning, metric.name
        assert metric.question in QUESTIONS, metric.name
        assert metric.unit in ("s", "B", "W", "J", "g", "ratio", "1", "1/s", "0/1"), metric.name
        assert not metric.before or metric.before in names, metric.name


def test_metrics_can_be_sent_to_another_process() -> None:
    assert [metric.name for metric in pickle.loads(pickle.dumps(METRICS))] == [metric.name for metric in METRICS]


def test_the_reference_is_made_from_the_metrics() -> None:
    metrics = [describe(name) for name in places() if name != "startup."]
    rows = [f"| `{each.name}` | {each.unit} | {each.better or '–'} | {each.meaning} |" for each in metrics]
    found = [line for line in DOCS.splitlines() if line.startswith("| `") and line.count("|") == 5]
    stats = ", ".join(f"`.{stat}`" for stat in STARTUP_STATS)
    phases = f"| `startup.<phase>` with {stats} | s | lower | the same for each phase, of the guests that ran it |"
    assert [line for line in found if line != phases] == rows
    assert found.index(phases) == found.index(next(row for row in rows if "startup.max" in row)) + 1


def test_every_column_of_every_table_is_in_the_reference() -> None:
    for table in (columns.GUESTS, columns.TIMELINE, columns.EVENTS, columns.RESPONSE, columns.REQUESTS):
        assert f"`{', '.join(table)}`" in DOCS


def test_tables_go_by_question_and_a_metric_may_ask_to_stand_before_another() -> None:
    names = list(places())
    assert [describe(name).question for name in names if name != "startup."] == sorted(
        (metric.question for metric in METRICS), key=QUESTIONS.index
    )
    assert names[names.index("requests.in_flight") : names.index("response.mean")] == [
        "requests.in_flight", "requests.calls", "requests.cold", "lost.starting", "lost.full", "goodput",
    ]  # fmt: skip
    assert names.index("guests.refused") + 1 == names.index("density.max")


def test_phases_stand_behind_whole_starts_and_strangers_last() -> None:
    mixed = ["old.metric", "oom.kills", "startup.boot.p50", "scale_out.time", "startup.max"]
    expected = ["startup.max", "startup.boot.p50", "scale_out.time", "oom.kills", "old.metric"]
    assert in_order([mixed], places()) == expected


@pytest.mark.parametrize("name", ["response.p99", *(f"startup.firmware.{stat}" for stat in STARTUP_STATS)])
def test_a_known_name(name: str) -> None:
    assert name in known() or phase_metric(name) is not None
    assert describe(name, "?").unit == "s"


@pytest.mark.parametrize("name", ["response.p98", "startup.firmware", "startup..p50", "startup.firmware.p999"])
def test_an_unknown_name(name: str) -> None:
    assert name not in known()
    assert phase_metric(name) is None
    assert describe(name, "furlong") == Metric(name, "furlong", name, describe(name).question)


def idle(run: Measured) -> float | None:
    return 42.0 if run.service == "all" else None


MINE = Metric("mine.answer", "1", "the answer", FITS, "higher", idle, "what is asked")


def test_a_registered_metric_is_in_the_rows_and_the_table(fresh: None) -> None:
    registry.add("metrics", MINE.name, spec=MINE)
    assert "mine.answer" in known()
    rows = [row for name in ("vm", "container") for row in measure(burst(name), FakeScenario())]
    own = [row for row in rows if row.metric == "mine.answer"]
    assert [(row.service, row.unit, row.value) for row in own] == [("all", "1", 42.0)] * 2
    assert "the answer" in render(compare("burst", rows), all_rows=True)


def test_a_metric_with_a_question_of_its_own_gets_its_block(fresh: None) -> None:
    registry.add("metrics", MINE.name, spec=replace(MINE, question="Is it true?"))
    rows = [row for name in ("vm", "container") for row in measure(burst(name), FakeScenario())]
    assert "Is it true?" in render(compare("burst", rows), all_rows=True)


def test_a_scenario_may_be_about_a_registered_metric(fresh: None) -> None:
    with pytest.raises(ScenarioError, match=r"the unknown metric 'mine\.answer'"):
        sim.load_scenario(STEADY, overrides=["focus=[mine.answer]"])
    registry.add("metrics", MINE.name, spec=MINE)
    assert sim.load_scenario(STEADY, overrides=["focus=[mine.answer]"]).focus == ["mine.answer"]


def test_a_metric_of_two_names_is_refused(fresh: None) -> None:
    registry.add("metrics", "another", spec=MINE)
    with pytest.raises(registry.PluginError, match=r"'another' calls itself 'mine.answer'"):
        known()
