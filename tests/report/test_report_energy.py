"""Power, cost and carbon of hand-made records and of a small run, against closed forms."""

from pathlib import Path

import numpy as np
import pytest

import sim
from sim.reading.errors import ScenarioError
from sim.scenario.hosts import Power

from .test_report_metrics import by_name, tiny

NAMES = {"energy.mean", "energy.per_request", "cost.per_million", "carbon.per_million"}
KWH = 3.6e6


def test_a_line_is_exact_and_shared_by_the_completed_requests() -> None:
    found = by_name(tiny(power=(100.0, 300.0), price=0.8 / 3600, carbon=400 / KWH))
    watts = 100 + 200 * (12 + 8 + 2 + 1 + 1) / 40
    assert found["energy.mean"] == pytest.approx(watts)
    assert found["energy.per_request"] == pytest.approx(watts * 10 / 4)
    assert found["cost.per_million"] == pytest.approx(0.8 / 3600 * 10 / 4 * 1e6)
    assert found["carbon.per_million"] == pytest.approx(watts * 10 / 4 * 1e6 * 400 / KWH)
    assert not NAMES & set(by_name(tiny(power=(100.0, 300.0), price=1.0, carbon=1.0), "a"))


def test_a_curve_is_weighted_by_the_part_of_each_sample_in_the_span() -> None:
    line = {"time": np.array([0.0, 8.0, 12.0, 20.0]), "cpu_used": np.array([4.0, 4.0, 1.0, 3.0])}
    found = by_name(tiny(power=(100.0, 200.0, 220.0), timeline=line))
    assert found["energy.mean"] == pytest.approx((2 * 150 + 8 * 210) / 10)  # a quarter busy 2 s, three quarters 8 s


def test_what_was_not_given_is_absent() -> None:
    assert not NAMES & set(by_name(tiny()))
    assert NAMES & set(by_name(tiny(price=1.0))) == {"cost.per_million"}
    assert NAMES & set(by_name(tiny(power=(1.0, 2.0)))) == {"energy.mean", "energy.per_request"}
    assert NAMES & set(by_name(tiny(power=(1.0, 2.0), price=1.0, requests={}))) == {"energy.mean"}


def scenario(**host: object) -> dict[str, object]:
    return {
        "duration": "20s", "replications": 1, "platforms": ["native"],
        "host": {"cores": 4, "memory": "8GiB", **host},
        "services": {"web": {"replicas": 1, "size": {"cpu": 2, "memory": "1GiB"}, "image": {"size": "10MB"},
                             "request": {"cpu": "10ms"}, "traffic": {"rate": "50/s"}}},
    }  # fmt: skip


def test_units_are_read_and_mistakes_named_together() -> None:
    power = Power.model_validate({"idle": "0.1kW", "busy": "300W", "between": ["150W", "0.2kW"]})
    assert power.curve == (100.0, 150.0, 200.0, 300.0)


def test_a_file_says_all_its_mistakes_at_once(tmp_path: Path) -> None:
    import yaml

    file = tmp_path / "x.yaml"
    for power, price, carbon, wrong in (
        ({"idle": "300W", "busy": "100W"}, "0.8/h", "400g/kWh", ("host.power.busy",)),
        ({"idle": 100, "busy": "1W", "between": ["5kg"]}, "5", "400g", ("power.idle", "between", "price", "carbon")),
        (None, "0.8/h", "400g/kWh", ("host.carbon",)),
    ):
        file.write_text(yaml.safe_dump(scenario(power=power, price=price, carbon=carbon)))
        with pytest.raises(ScenarioError) as caught:
            sim.load_scenario(file)
        assert all(path in str(caught.value) for path in wrong), str(caught.value)
