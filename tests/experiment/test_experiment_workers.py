"""Which executor fits what is to be run."""

from __future__ import annotations

import pytest

from sim.experiment.workers import choice
from sim.experiment.workers.choice import executor_for
from sim.experiment.workers.cluster import DaskExecutor
from sim.experiment.workers.executor import SerialExecutor
from sim.experiment.workers.pool import PoolExecutor


@pytest.mark.parametrize(
    ("cores", "options", "kind"),
    [
        (8, {}, PoolExecutor),
        (1, {}, SerialExecutor),
        (8, {"workers": 1}, SerialExecutor),
        (1, {"workers": 2}, PoolExecutor),
        (8, {"runs": 3}, SerialExecutor),  # processes do not pay
        (8, {"runs": 4}, PoolExecutor),
        (8, {"workers": 2, "runs": 3}, PoolExecutor),  # they were asked for
        (8, {"workers": 2, "runs": 1}, SerialExecutor),
        (8, {"cluster": True}, DaskExecutor),
        (8, {"cluster": True, "workers": 1}, SerialExecutor),
        (8, {"scheduler": "tcp://far:1", "workers": 1}, DaskExecutor),
    ],
)
def test_the_executor_fits(cores: int, options: dict[str, object], kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "available_cores", lambda: cores)
    assert type(executor_for(**options)) is kind  # type: ignore[arg-type]


def test_no_more_processes_than_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "available_cores", lambda: 8)
    assert [executor_for(runs=runs).slots for runs in (5, 100)] == [5, 8]
