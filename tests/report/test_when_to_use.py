"""When to use which: the answers that a comparison's numbers give, and no others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest

from sim.report.answers.comparison import compare
from sim.report.answers.plain import comparison_dict
from sim.report.answers.when_to_use import Answer, answers
from sim.report.metrics.measures import SummaryRow
from sim.report.text.terminal import render

UNITS = {"response.p99": "s", "startup.p50": "s", "move.time": "s", "move.downtime": "s", "scale_out.time": "s",
         "blast.requests": "ratio", "memory.stranded": "ratio", "memory.allocated": "ratio"}  # fmt: skip


def rows_of(metric: str, values: Mapping[str, Sequence[float]]) -> list[SummaryRow]:
    return [
        SummaryRow(platform, replication, "all", metric, UNITS.get(metric, "1"), value)
        for platform, sample in values.items()
        for replication, value in enumerate(sample)
    ]


def answer(rows: list[SummaryRow], **more) -> Answer:
    found = answers(compare("x", rows, **more))
    assert len(found) == 1
    return found[0]


def test_the_winner_its_lead_and_the_paired_interval() -> None:
    # differences 29, 30, 31: mean 30, standard error 1/sqrt(3), t(2) = 4.3027
    one = answer(rows_of("startup.p50", {"vm": [30.0, 31.0, 32.0], "container": [1.0, 1.0, 1.0]}))
    assert (one.question, one.best, one.rival, one.clear) == ("start-up", ["container"], "vm", True)
    assert one.lead is not None
    assert (one.lead.mean, one.lead.count) == (30.0, 3)
    assert one.lead.half == pytest.approx(4.30265 / 3**0.5, rel=1e-5)
    assert one.sentence() == (
        "start-up: container. start-up p50: container 1.00 s, vm 31.0 s; container 30.0 ± 2.5 s (×31) less than vm"
    )


def test_pairing_makes_sure_what_the_spread_of_each_hides() -> None:
    values = {"vm": [10.0, 50.0, 30.0], "container": [9.0, 48.9, 29.0]}
    assert answer(rows_of("response.p99", values)).clear
    assert not answer(rows_of("response.p99", values), paired=False).clear


def test_higher_is_better_for_density_and_the_lead_is_over_the_next_best() -> None:
    rows = rows_of("density.max", {"vm": [28.0] * 3, "microvm": [200.0] * 3, "container": [400.0, 401.0, 402.0]})
    one = answer(rows, platforms=["vm", "container", "microvm"])
    assert (one.best, one.rival, list(one.values)) == (["container"], "microvm", ["container", "microvm", "vm"])
    assert one.lead is not None
    assert one.lead.mean == 201.0
    assert "more than microvm" in one.sentence()


def test_no_winner_where_the_interval_holds_zero() -> None:
    one = answer(rows_of("response.p99", {"vm": [1.0, 2.0, 3.0], "container": [2.0, 1.0, 2.9]}))
    assert not one.clear
    assert one.sentence().startswith("tail: no clear winner.")
    assert "0 is in the interval" in one.sentence()


@pytest.mark.parametrize("count", [1, 2])
def test_below_three_replications_the_value_only(count: int) -> None:
    one = answer(rows_of("move.downtime", {"vm": [0.3] * count, "container": [0.1] * count}))
    assert one.lead is not None
    assert (one.lead.half, one.clear) == (None, False)
    assert one.sentence().startswith("moving: container, on the mean alone.")
    assert "±" not in one.sentence()
    rows = rows_of("move.downtime", {"vm": [0.3] * count, "container": [0.1] * count})
    assert f"On the mean alone: {count} replication" in render(compare("x", rows), all_rows=True)


def test_equal_numbers_are_told_as_equal() -> None:
    one = answer(rows_of("blast.guests", {"vm": [1.0] * 3, "microvm": [1.0] * 3}))
    assert (list(one.best), one.rival, one.lead) == ([], None, None)
    assert one.sentence() == "isolation: the same on all. guests hit per event: vm 1, microvm 1"


def test_a_question_without_numbers_has_no_answer() -> None:
    assert answers(compare("x", rows_of("requests.arrived", {"vm": [1.0], "container": [1.0]}))) == []
    assert answers(compare("x", rows_of("startup.p50", {"vm": [1.0] * 3}))) == []
    alone = rows_of("startup.p50", {"vm": [3.0] * 3}) + rows_of("requests.arrived", {"native": [1.0], "vm": [1.0]})
    assert answers(compare("x", alone, platforms=["native", "vm"])) == [], "nothing to compare it with"
    assert "When to use" not in render(compare("x", alone), all_rows=True)


def test_never_in_common_and_not_finite_is_no_answer() -> None:
    rows = [
        SummaryRow("vm", 0, "all", "startup.p50", "s", 3.0),
        SummaryRow("container", 1, "all", "startup.p50", "s", 1.0),
    ]
    assert answers(compare("x", rows)) == []
    assert answers(compare("x", rows_of("move.time", {"vm": [float("inf")], "container": [1.0]}))) == []


def test_platforms_without_the_number_are_named() -> None:
    rows = rows_of("startup.p50", {"vm": [30.0] * 3, "container": [1.0] * 3})
    rows += rows_of("requests.arrived", {"native": [5.0] * 3, "vm": [5.0] * 3, "container": [5.0] * 3})
    one = answer(rows, platforms=["native", "vm", "container"])
    assert one.sentence().endswith("(no such number for native)")


def test_a_tail_of_fewer_requests_is_told_with_the_shares() -> None:
    rows = rows_of("response.p99", {"vm": [0.1] * 3, "container": [0.2] * 3})
    rows += rows_of("requests.arrived", {"vm": [100.0] * 3, "container": [100.0] * 3})
    one = answer(rows + rows_of("requests.completed", {"vm": [99.5] * 3, "container": [90.0] * 3}))
    assert one.note == "of completed requests: vm 99.5 %, container 90.0 %"
    assert (one.best, one.clear) == (["vm"], True)
    assert answer(rows + rows_of("requests.completed", {"vm": [99.5] * 3, "container": [99.5] * 3})).note == ""


def test_a_tail_is_not_won_by_answering_fewer_requests() -> None:
    rows = rows_of("response.p99", {"vm": [0.1] * 3, "container": [0.2] * 3})
    rows += rows_of("requests.arrived", {"vm": [100.0] * 3, "container": [100.0] * 3})
    one = answer(rows + rows_of("requests.completed", {"vm": [90.0] * 3, "container": [99.5] * 3}))
    assert (list(one.best), one.lead, one.clear) == ([], None, False)
    assert one.sentence().startswith("tail: cannot be told, vm completed fewer requests. response p99: vm 100 ms")


def test_platforms_within_a_hundredth_win_together() -> None:
    rows = rows_of("startup.p50", {"vm": [30.0] * 3, "gvisor": [1.009, 1.008, 1.007], "container": [1.0] * 3})
    one = answer(rows, platforms=["vm", "gvisor", "container"])
    assert (one.best, one.rival, one.clear) == (["container", "gvisor"], "vm", True)
    assert "container 29.0 s (×30) less than vm" in one.sentence()
    near = answer(rows_of("startup.p50", {"vm": [1.009] * 3, "container": [1.0] * 3}))
    assert (list(near.best), near.clear) == ([], False)
    assert near.sentence().startswith("start-up: alike within 1 %.")
    apart = answer(rows_of("startup.p50", {"vm": [1.05] * 3, "container": [1.0] * 3}))
    assert "(5.0 %) less than vm" in apart.sentence()


def refusing(most: float, peak: float) -> list[SummaryRow]:
    rows = rows_of("density.max", {"vm": [8.0] * 3}) if most else []
    rows += rows_of("guests.refused", {"vm": [4.0] * 3, "container": [0.0] * 3})
    return rows + rows_of("guests.peak", {"vm": [8.0] * 3, "container": [peak] * 3})


def test_a_host_that_never_refused_has_at_least_as_many() -> None:
    one = answer(refusing(8, 30), platforms=["vm", "container"])
    assert (one.best, one.rival, one.clear) == (["container"], "vm", True)
    assert "container 22 (×3.8) more than vm (container never refused one: at least so many)" in one.sentence()
    one = answer(refusing(8, 8), platforms=["vm", "container"])
    assert (list(one.best), one.clear) == ([], False)
    assert one.sentence().startswith("density: cannot be told, no other had more guests than fit on vm.")
    assert answers(compare("x", refusing(0, 30))) == [], "none refused"


@pytest.mark.parametrize(("guests", "told"), [([10.0] * 3, True), ([9.0] * 3, False)])
def test_memory_promised_tells_density_for_as_many_guests_only(guests: list[float], told: bool) -> None:
    rows = rows_of("memory.allocated", {"vm": [0.5] * 3, "container": [0.1] * 3})
    found = answers(compare("x", rows + rows_of("guests.mean", {"vm": [10.0] * 3, "container": guests})))
    assert [one.question for one in found] == (["density"] if told else [])


def test_what_fuller_hosts_leave_unused_is_no_elasticity() -> None:
    rows = rows_of("memory.stranded", {"vm": [0.1] * 3, "container": [0.5] * 3})
    rows += rows_of("guests.mean", {"vm": [15.0] * 3, "container": [60.0] * 3})
    assert [one.question for one in answers(compare("x", rows))] == ["elasticity"]
    rows += rows_of("density.max", {"vm": [16.0] * 3, "container": [64.0] * 3})
    assert [one.question for one in answers(compare("x", rows))] == ["density"]


def test_what_cannot_be_answered_is_named() -> None:
    shown = render(
        compare("x", rows_of("startup.p50", {"vm": [2.0] * 3, "container": [1.0] * 3})), width=200, all_rows=True
    )
    assert "This scenario has no numbers on density, tail, isolation, moving, elasticity." in shown


def test_all_six_questions_in_order_in_the_table_and_in_json() -> None:
    metrics = ("density.max", "startup.p50", "response.p99", "blast.guests", "blast.requests", "move.time",
               "move.downtime", "scale_out.time", "memory.stranded")  # fmt: skip
    rows = [row for metric in metrics for row in rows_of(metric, {"vm": [2.0, 2.1, 2.2], "container": [0.4] * 3})]
    rows += rows_of("guests.mean", {"vm": [5.0] * 3, "container": [5.0] * 3})
    comparison = compare("x", rows)
    found = answers(comparison)
    assert [one.metric for one in found] == list(metrics)
    order = ["density", "start-up", "tail", "isolation", "moving", "elasticity"]
    assert list(dict.fromkeys(one.question for one in found)) == order
    assert [one.best[0] for one in found] == ["vm", *["container"] * 8]
    shown = render(comparison, width=200, all_rows=True)
    assert shown.index("In short") < shown.index("When to use which")
    assert all(one.sentence() in shown for one in found)
    data = json.loads(json.dumps(comparison_dict(comparison)))["when_to_use"]
    assert [each["sentence"] for each in data] == [one.sentence() for one in found]
    assert data[1]["lead"]["half_width_95"] > 0
    assert (data[1]["best"], data[1]["next"], data[1]["clear"]) == (["container"], "vm", True)


def test_a_lead_in_shares_is_in_percentage_points() -> None:
    one = answer(rows_of("memory.stranded", {"vm": [0.75] * 3, "container": [0.25] * 3}))
    assert "container 50.0 pp (×3.0) less than vm" in one.sentence()
