"""What a script or a notebook does with scenarios and results beside the commands."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pytest

import sim
from sim.reading.errors import ScenarioError
from sim.report.figures.result import FIGURES

SHOP = {
    "name": "shop",
    "duration": "20s",
    "replications": 2,
    "host": {"cores": 2, "memory": "4GiB"},
    "platforms": ["native", "container"],
    "services": {
        "web": {
            "image": "50MB",
            "memory": "64MiB",
            "request_cpu": {"exponential": {"mean": "10ms"}},
            "size": {"cpu": 1, "memory": "256MiB"},
            "traffic": {"constant-arrival-rate": {"rate": "20/s"}},
        }
    },
}


@pytest.fixture(scope="module")
def result():
    return sim.run(SHOP)


def test_a_dictionary_runs_as_its_file_does(result, tmp_path):
    import yaml

    (tmp_path / "shop.yaml").write_text(yaml.safe_dump(SHOP, sort_keys=False))
    assert sim.run(tmp_path / "shop.yaml").rows == result.rows
    assert sim.run(SHOP, platforms=["native"], replications=1).platforms == ["native"]


def test_a_part_of_a_files_platforms_runs_though_sizes_name_the_others(tmp_path):
    own = {"native": None, "container": None, "small": {"based_on": "container"}}
    size = {"*": {"cpu": 1, "memory": "256MiB"}, "small": {"cpu": 1, "memory": "1GiB"}}
    web = {**SHOP["services"]["web"], "size": size}
    given = {**SHOP, "platforms": own, "services": {"web": web}}
    run = sim.run(given, platforms=["native"], replications=1, out=tmp_path / "part")
    assert run.platforms == ["native"]
    again = sim.load_scenario(tmp_path / "part" / "manifest.json")
    assert sim.run(again).rows == run.rows
    with pytest.raises(ScenarioError, match=r"size\.smal\b.*small"):
        sim.run({**given, "services": {"web": {**web, "size": {"smal": size["small"], "*": size["*"]}}}})


def test_mistakes_in_a_dictionary_have_their_path():
    with pytest.raises(ScenarioError, match=r"host\.core\b") as found:
        sim.run({**SHOP, "host": {"core": 2, "memory": "4GiB"}})
    assert "the dictionary" in str(found.value)
    assert SHOP["host"] == {"cores": 2, "memory": "4GiB"}


def test_a_result_shows_itself(result):
    assert repr(result).startswith("<Result shop: native, container; ")
    shown = result._repr_html_()
    assert shown.startswith("<pre>shop: native against container")
    assert "response p99" in shown


def test_a_figure_by_a_part_of_its_name(result):
    figure = result.plot("tail")
    assert figure.axes
    plt.close(figure)
    with pytest.raises(ValueError, match="there are focus, timeline"):
        result.plot("nonsense")
    empty = next(name for name, draw in FIGURES.items() if draw(result) is None)
    with pytest.raises(ValueError, match=f"nothing to show in {empty}"):
        result.plot(empty)
