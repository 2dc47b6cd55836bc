"""`focus:` leads the table with a block of its own, and has a plot of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.platforms.checks import CHECKS
from sim.reading.errors import ScenarioError
from sim.report.answers.comparison import compare
from sim.report.answers.plain import comparison_dict
from sim.report.figures.result import save_plots
from sim.report.folder.tables import run_tables
from sim.report.folder.writer import RunWriter
from sim.report.metrics.measures import SummaryRow
from sim.report.results import load_results
from sim.report.text.terminal import render
from sim.scenario import json_schema, load_scenario, scenario_from_text

from .rows import ROWS, records_of, scenario_of

BASE = """
duration: 1min
host: {cores: 4, memory: 8GiB, disk: {read: 1GB/s, write: 1GB/s}, network: 1Gbit/s}
platforms: [vm, container]
services:
  web:
    image: 100MB
    memory: {base: 64MiB}
    request_cpu: 10ms
    size: {cpu: 1, memory: 256MiB}
"""


def test_focus_is_a_list_of_metrics_or_metrics_of_services() -> None:
    scenario = scenario_from_text(BASE + "focus: [response.p99, web/goodput, memory_used]")
    assert scenario.focus == ["response.p99", "web/goodput", "memory_used"]
    assert scenario_from_text(BASE).focus == []
    assert type(scenario).from_dict(scenario.to_dict()) == scenario
    assert "focus" in json_schema()["properties"]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("response.p99", "a list of metrics"),
        ("[3]", "focus.0"),
        ("[goodput, goodput]", "a second time"),
        ("[shop/goodput]", "an unknown service"),
        ("[wob/goodput]", "did you mean web?"),
    ],
)
def test_what_is_no_focus_is_refused(value: str, told: str) -> None:
    with pytest.raises(ScenarioError, match="focus") as error:
        scenario_from_text(BASE + f"focus: {value}")
    assert told in str(error.value)


def test_a_metric_that_no_run_has_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(BASE + "focus: [response.p98]", "utf-8")
    with pytest.raises(ScenarioError, match=r"unknown metric 'response\.p98'.*did you mean"):
        load_scenario(path, checks=CHECKS)


def rows() -> list[SummaryRow]:
    values = {("all", "goodput"): (3.0, 4.0), ("all", "oom.kills"): (0.0, 0.0), ("web", "response.p99"): (1.0, 0.5)}
    return [
        SummaryRow(platform, replication, service, metric, "s" if "response" in metric else "1", value[number])
        for replication in range(3)
        for number, platform in enumerate(("vm", "container"))
        for (service, metric), value in values.items()
    ]


def test_the_block_leads_and_is_not_repeated() -> None:
    focus = ["web/response.p99", "oom.kills", "move.time"]
    comparison = compare("x", rows(), focus=focus, description="Who breaks first?")
    lines = render(comparison, all_rows=True).splitlines()
    title = lines.index("Who breaks first?")
    assert lines[title + 1].split()[:3] == ["web:", "response", "p99"]
    assert lines[title + 2].split()[:2] == ["OOM", "kills"]  # also where it is 0 everywhere
    assert "Who served the users better?" in lines[title:]
    assert sum("OOM kills" in line for line in lines) == 1
    assert comparison_dict(comparison)["focus"] == focus


def test_without_focus_the_table_is_as_before() -> None:
    assert render(compare("x", rows(), description="Not asked for"), all_rows=True) == render(
        compare("x", rows()), all_rows=True
    )


@pytest.mark.slow
@pytest.mark.parametrize("row", ["operating-system", "images", "elastic"])
def test_the_plot_is_drawn(row: str, tmp_path: Path) -> None:
    scenario = scenario_of(row)
    with RunWriter(tmp_path / "out", scenario) as writer:
        for platform in ("vm", "container"):
            writer.add(run_tables(records_of(row, platform), scenario))
        writer.write()
        results = load_results(writer.finish())
    assert "focus.png" in [path.name for path in save_plots(results)]


@pytest.mark.parametrize("path", sorted(ROWS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_row_has_a_focus_and_its_platforms(path: Path) -> None:
    scenario = load_scenario(path, checks=CHECKS)
    assert scenario.focus
    assert path.read_text("utf-8").startswith("# Question: ")
