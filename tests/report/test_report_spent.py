"""Where the time goes: what the verdict says of it, and the bars of the figure."""

from __future__ import annotations

import pytest

import sim
from sim.report.answers.verdict import conclude
from sim.report.figures.spent import PARTS, spent_by, where_the_time_goes

SCENARIO = """\
name: spent
duration: 20s
replications: 1
host: {cores: 8, memory: 8GiB}
platforms: {near: {based_on: native}, far: {based_on: native, net: {latency: 3ms, cpu_per_packet: 100us}}}
services:
  web:
    size: {cpu: 2, memory: 1GiB}
    image: 1MB
    concurrency: 8
    request: [receive: 1KB, cpu: 1ms, call: db]
    traffic: {rate: 20/s}
  db: {size: {cpu: 2, memory: 1GiB}, image: 1MB, concurrency: 8, request: [wait: 5ms]}
"""


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("spent")
    (folder / "spent.yaml").write_text(SCENARIO, "utf-8")
    return sim.run(sim.load_scenario(folder / "spent.yaml"), out=folder / "out", plots=False)


def test_the_verdict_says_what_the_slower_platform_needs_the_time_for(result) -> None:
    (line,) = [line for line in conclude(result.comparison) if "mean response" in line]
    assert line.startswith("Of far's +3.")
    assert "on near's mean response" in line
    assert "ms are network" in line
    assert "calls" not in line  # they take the same on both


def test_calls_are_told_by_what_they_take_in_the_services_called(tmp_path) -> None:
    text = SCENARIO.replace("request: [wait: 5ms]", "request: [cpu: 1ms, send: 1KB]")
    for program, told in (
        ("request: [cpu: 1ms, call: db]", "ms are network, the services called included."),
        (
            "request: [cpu: 1ms, parallel: [call: db, call: db, call: db]]",
            "ms are calls to other services (there above all network).",
        ),
    ):
        (tmp_path / "calls.yaml").write_text(
            text.replace("request: [receive: 1KB, cpu: 1ms, call: db]", program), "utf-8"
        )
        result = sim.run(sim.load_scenario(tmp_path / "calls.yaml"), out=tmp_path / "out", plots=False, overwrite=True)
        (line,) = [line for line in conclude(result.comparison) if "mean response" in line]
        assert line.startswith("Of far's +3.")
        assert line.endswith(told)


def test_bars_are_the_parts_in_order_and_end_at_the_mean_response(result) -> None:
    means = spent_by(result)
    assert list(means) == ["web", "db"]  # users ask web alone: a panel for all would be the same
    assert means["db"]["far"]["wait"] == pytest.approx(0.005)
    figure = where_the_time_goes(result)
    assert figure is not None
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["near", "far"]
    for panel, service in zip(figure.axes, means, strict=True):
        assert panel.get_title() == service
        assert len(panel.containers) == len(PARTS)
        for row, platform in enumerate(("near", "far")):
            bar = panel.containers[-1][row]
            (mean,) = [r.value for r in result.rows
                       if (r.platform, r.service, r.metric) == (platform, service, "response.mean")]  # fmt: skip
            assert bar.get_x() + bar.get_width() == pytest.approx(1e3 * mean)
