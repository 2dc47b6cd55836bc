"""What a script or a notebook does with scenarios and results beside the commands."""

from __future__ import annotations

import pickle
import re

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


def test_a_changed_copy_is_read_as_a_file_would_be():
    shop = sim.Scenario.from_dict(SHOP)
    wider = shop.with_({"host.cores": 8, "services.web.memory": "1GiB", "traffic": 1.5})
    assert (shop.host.cores, wider.host.cores) == (2.0, 8.0)
    assert wider.services["web"].memory.base == 2**30
    assert wider.services["web"].traffic[0].rate == pytest.approx(30.0)
    assert wider.with_({"host.cores": 2, "services.web.memory": "64MiB", "traffic": 1 / 1.5}) == shop
    assert sim.Scenario.from_dict(wider.to_dict()) == wider
    fewer = shop.model_copy(update={"platforms": {"native": {}}, "seed": 5})  # as options do
    assert (
        fewer.with_({"host.cores": 3}).digest
        == sim.Scenario.from_dict(
            {**SHOP, "host": {"cores": 3, "memory": "4GiB"}, "platforms": ["native"], "seed": 5}
        ).digest
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"host.cores": -8}, "more than 0"), ({"host.cores": float("nan")}, "host.cores"), ({"host.memory": 4}, "unit"),
        ({"host.coers": 4}, "did you mean cores?"), ({"duration": "-5s"}, "duration"),
        ({"replications": 0}, "at least 1"),
        ({"services.web.size.cpu": "lots"}, "cores"), ({"services.shop.replicas": 3}, "services.shop"),
        ({"traffic": 0}, "a factor"), ({"platforms": ["vmm"]}, "platforms"), ({"host": None}, "host"),
        ({"services.web.request_cpu.exponential.mean": "-10ms"}, "request_cpu"), ({"": 3}, "with_"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else None,
)  # fmt: skip
def test_nonsense_does_not_pass_as_a_change(tmp_path, changes, told):
    import yaml

    (tmp_path / "shop.yaml").write_text(yaml.safe_dump(SHOP, sort_keys=False))
    with pytest.raises(ScenarioError, match=re.escape(told)):
        sim.load_scenario(tmp_path / "shop.yaml").with_(changes)


def test_what_is_in_si_already_says_so(result):
    loaded = sim.load_scenario(result.folder / "manifest.json")
    with pytest.raises(ScenarioError, match="in SI already"):
        loaded.with_({"host.cores": 8})


def test_where_a_scenario_came_from_stays_with_its_maker():
    shop = sim.Scenario.from_dict(SHOP)
    sent = pickle.loads(pickle.dumps(shop))
    assert sent == shop
    assert sent.to_dict() == shop.to_dict()
    assert b"dictionary" not in pickle.dumps(shop)
    with pytest.raises(ScenarioError):
        sent.with_({"host.cores": 8})


@pytest.mark.slow
def test_answers_are_words_pictures_and_doubts(result):
    found = sim.density({**SHOP, "replications": 1}, "traffic", start=0.5, step=0.5, stop=1, platforms=["native"],
                        replications=3)  # fmt: skip
    assert found["native"].most == 1.0
    assert "native" in repr(found)
    assert found._repr_html_().startswith("<pre>")
    assert len(found.plot().axes) >= 1
    crossing = sim.crossover(sim.Scenario.from_dict(SHOP), "host.cores", 1, 2, replications=2, points=2)
    assert "host.cores" in repr(crossing)
    assert crossing.doubts == []
    assert len(crossing.plot().axes) == 2
    assert sim.reproduce(result)
    assert "native" in sim.catalogue()
    assert "cpu.overhead" in set(sim.platform("native")["path"])
    assert sim.validate(SHOP)
    assert sim.scorecard(only="M/M/1 at 0.3", quick=True).scores
