"""Compose files become scenarios: totals as counted by hand, guesses marked, every mistake placed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sim.cli import main
from sim.imports.amounts import docker_bytes, span
from sim.imports.compose import read_compose
from sim.imports.draft import Draft
from sim.imports.interpolate import Interpolation, env_file
from sim.imports.starter import STARTER
from sim.imports.writing import guesses_of, written
from sim.platforms.checks import CHECKS
from sim.reading.errors import ScenarioError
from sim.scenario import load_scenario

SHOP = """\
name: My Shop
x-common: &common
  mem_limit: 512m
services:
  web_front:
    <<: *common
    build: .
    ports: ["80:80"]
    cpus: ${WEB_CPUS:-1.5}
    depends_on: {api: {condition: service_healthy}, migrate: {condition: service_completed_successfully}}
    deploy: {replicas: 3, resources: {reservations: {cpus: "0.25", memory: 128M}}}
  api:
    image: "example/api:${TAG}"
    extends: {service: base}
    links: [db:database]
    healthcheck: {test: "true", interval: 1m30s}
  base:
    image: example/base
    deploy: {resources: {limits: {cpus: "2", memory: 1g}, reservations: {cpus: "0.5", memory: 256m}}}
  db: {image: "postgres:16", mem_reservation: 1gb, cpu_quota: 50000, volumes: ["data:/var/lib/postgresql/data"]}
  migrate: {image: example/api, command: migrate}
  debug: {image: busybox, profiles: [debug]}
volumes: {data: {}}
"""


def draft_of(folder: Path, text: str, **environment: str) -> Draft:
    file = folder / "compose.yaml"
    file.write_text(text, "utf-8")
    return read_compose([file], environment)


def problems_of(folder: Path, text: str) -> list[str]:
    with pytest.raises(ScenarioError) as refused:
        draft_of(folder, text)
    return [str(problem).removeprefix(f"{folder}/") for problem in refused.value.problems]


def test_requests_in_total_are_those_counted_by_hand(tmp_path: Path) -> None:
    draft = draft_of(tmp_path, SHOP)
    cpu, memory, silent = draft.totals()
    # web 3 x 0.25, api 0.5, base 0.5; web 3 x 128, api 256, base 256, db 1024 MiB; db says nothing of a CPU request
    assert (cpu, memory, silent) == (1.75, (3 * 128 + 256 + 256 + 1024) * 2**20, 1)


def test_what_a_service_is_comes_from_the_file(tmp_path: Path) -> None:
    parts = {part.name: part for part in draft_of(tmp_path, SHOP, WEB_CPUS="2").parts}
    assert set(parts) == {"web-front", "api", "base", "db"}
    web, api, db = parts["web-front"], parts["api"], parts["db"]
    assert (web.amounts.cpu_limit, web.amounts.memory_limit, web.replicas) == (2.0, 512 * 2**20, 3)
    assert web.calls == {"api": "depends_on"}
    assert api.calls == {"db": "links"}
    assert api.image == "example/api:"
    assert api.ready == {"probe": "90s", "delay": "90s"}
    assert db.amounts.cpu_limit == 0.5


def test_what_is_written_is_a_scenario_with_its_guesses_and_losses(tmp_path: Path) -> None:
    draft = draft_of(tmp_path, SHOP)
    text = written(draft)
    out = tmp_path / "shop.yaml"
    out.write_text(text, "utf-8")
    scenario = load_scenario(out, checks=CHECKS)
    assert [name for name, service in scenario.services.items() if service.traffic] == ["web-front"]
    assert scenario.services["web-front"].size_on(["container"]).cpu_request == 0.25  # type: ignore[union-attr]
    assert scenario.services["api"].ready.probe == 90.0  # type: ignore[union-attr]
    head = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    for told in ("1.75 cores, 1920MiB", "$TAG is not set", "migrate: a service that runs once", "debug: left out",
                 "web_front is called web-front", "db: what its volumes", "who calls base"):  # fmt: skip
        assert told in head, told
    guesses = guesses_of(text)
    assert all(len(line.partition("# guess: ")[2]) > 5 for line in guesses)
    assert sum("- call:" in line for line in guesses) == 2


@pytest.mark.parametrize(
    ("folder", "name"), [("café", "caf"), ("日本", "imported"), ("My.Shop", "my-shop"), ("x" * 120, "x" * 100)]
)
def test_the_folder_s_name_becomes_one_that_a_scenario_can_have(folder: str, name: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "compose.yaml").write_text("services: {web: {image: nginx}}", "utf-8")
    out = tmp_path / "out.yaml"
    out.write_text(written(read_compose([tmp_path / folder / "compose.yaml"])), "utf-8")
    assert load_scenario(out, checks=CHECKS).name == name


def test_services_whose_names_yaml_reads_otherwise_are_called_by_them(tmp_path: Path) -> None:
    names = ["1", "2e5", "true", "null", "on"]
    others = ", ".join(f'"{name}": {{image: x}}' for name in names)
    text = f"services: {{web: {{image: nginx, depends_on: {names}}}, {others}}}"
    out = tmp_path / "out.yaml"
    out.write_text(written(draft_of(tmp_path, text)), "utf-8")
    services = load_scenario(out, checks=CHECKS).services
    assert set(services) == {"web", *names}
    ((_, steps),) = services["web"].programs
    assert {step.call.service for step in steps if hasattr(step, "call")} == set(names)


def test_files_lie_over_one_another_and_include_others(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("include: [c.yaml]\nservices: {web: {image: a, mem_limit: 1g, links: [db]}}")
    (tmp_path / "b.yaml").write_text("services: {web: {image: b, deploy: {replicas: 2}}}")
    (tmp_path / "c.yaml").write_text("services: {db: {image: c}}")
    draft = read_compose([tmp_path / "a.yaml", tmp_path / "b.yaml"], {})
    web = {part.name: part for part in draft.parts}["web"]
    assert (web.image, web.replicas, web.amounts.memory_limit, list(web.calls)) == ("b", 2, 2**30, ["db"])


def test_calls_that_come_back_are_left_out_and_told(tmp_path: Path) -> None:
    draft = draft_of(tmp_path, "services: {a: {image: x, links: [b]}, b: {image: x, links: [a]}}")
    assert sum(len(part.calls) for part in draft.parts) == 1
    assert any("calls it back" in each for each in draft.lost)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$A", "1"), ("${A}", "1"), ("$$A", "$A"), ("${B:-x}", "x"), ("${E:-x}", "x"), ("${E-x}", ""), ("${B-x}", "x"),
        ("${A:+y}", "y"), ("${E:+y}", ""), ("${E+y}", "y"), ("${B:-${A}}", "1"), ("${B}", ""), ("a${A}b$A-", "a1b1-"),
    ],
)  # fmt: skip
def test_variables_are_put_in(text: str, value: str) -> None:
    assert Interpolation({"A": "1", "E": ""}).tree([text]) == [value]


def test_quantities_are_those_of_docker() -> None:
    assert [docker_bytes(each) for each in ("1k", "2m", "1.5GB", 10, "3b")] == [1024, 2**21, 1.5 * 2**30, 10, 3]
    assert [span(each) for each in ("1m30s", "500ms", "1.5h")] == [90.0, 0.5, 5400.0]
    assert env_file("A=1 # c\nexport B='x y'\n# C=2\n") == {"A": "1", "B": "x y"}


# (text, what is told: file, line and path, found)
HOSTILE = [
    ("", r"compose.yaml:?.*an empty file"),
    ("- a\n", r"compose.yaml:1:1: found a list"),
    ("services: [", r"compose.yaml:\d+:\d+: found a syntax error"),
    ("services: {}", r"compose.yaml:1:11: services: found an empty mapping"),
    ("version: '3'\n", r"compose.yaml.*services: found nothing"),
    ("services:\n  web:\n    imgae: x\n", r"compose.yaml:3:5: services.web.imgae: .*did you mean image"),
    ("services:\n  web: 5\n", r"compose.yaml:2:8: services.web: found 5; allowed: a mapping"),
    ("services:\n  web:\n    image: [x]\n", r"compose.yaml:3:12: services.web.image: found a list"),
    ("services:\n  web:\n    image: x\n    image: y\n", r"compose.yaml:4:5: services.web.image: .*second time"),
    ("services:\n  web: {image: x, mem_limit: lots}\n", r"compose.yaml:2:\d+: services.web.mem_limit: found 'lots'"),
    ("services:\n  web: {image: x, mem_limit: -5m}\n", r"compose.yaml:2:\d+: services.web.mem_limit"),
    ("services:\n  web: {image: x, cpus: two}\n", r"compose.yaml:2:\d+: services.web.cpus: found 'two'"),
    ("services:\n  web: {image: x, cpus: -1}\n", r"compose.yaml:2:\d+: services.web.cpus"),
    ("services:\n  web: {image: x, cpus: .nan}\n", r"compose.yaml:2:\d+: services.web.cpus"),
    ("services:\n  web: {image: x, depends_on: [db]}\n", r"compose.yaml:2:\d+: services.web.depends_on: found 'db'"),
    ("services:\n  web: {image: x, links: [db]}\n", r"compose.yaml:2:\d+: services.web.*found 'db'"),
    ("services:\n  web: {image: x, deploy: {replicas: many}}\n", r"compose.yaml:2:\d+: services.web.deploy.replicas"),
    ("services:\n  web: {image: x, deploy: {replicas: -1}}\n", r"deploy.replicas: found -1; allowed: .* at least 0"),
    ("services:\n  web: {image: x, scale: many}\n", r"compose.yaml:2:\d+: services.web.scale: found 'many'"),
    ("services:\n  web: {image: x, deploy: {replica: 2}}\n", r"services.web.deploy.replica: .*did you mean replicas"),
    ("services:\n  web: {image: x, healthcheck: {interval: 5 parsecs}}\n", r"services.web.healthcheck.interval"),
    ("services:\n  web: {image: '${TAG:?say which}'}\n", r"compose.yaml:2:\d+: services.web.image: .*say which"),
    ("services:\n  web: {image: '${TAG'}\n", r"compose.yaml:2:\d+: services.web.image: .*not closed"),
    ("services:\n  web: {image: 'a$-b'}\n", r"compose.yaml:2:\d+: services.web.image: .*a lone \$"),
    ("services:\n  web: {image: '${}'}\n", r"compose.yaml:2:\d+: services.web.image"),
    ("services:\n  web: {extends: {service: no}}\n", r"compose.yaml:2:\d+: services.web.extends: found 'no'"),
    ("services:\n  web: {extends: {service: web}}\n", r"services.web.extends"),
    ("services:\n  web: {extends: {file: no.yaml, service: x}}\n", r"services.web.extends: found 'no.yaml', no such"),
    ("include: [no.yaml]\nservices: {web: {image: x}}\n", r"compose.yaml:1:\d+: include.0: found 'no.yaml', no such"),
    ("include: [compose.yaml]\nservices: {web: {image: x}}\n", r"include.0: found compose.yaml, which leads back"),
    ("services: {web: {image: x, profiles: [a]}}\n", r"services: found no service that stays up"),
    (
        "services:\n  web:\n    image: x\n    mem_limit: 1m\n    mem_reservation: 2m\n",
        r"services.web.*a reservation of memory above its limit",
    ),
    ("services:\n  web: &a\n    image: x\n    labels: {self: *a}\n", r"without end"),
    ("apiVersion: v1\nkind: Pod\n", r"compose.yaml:1:1: apiVersion: found an unknown key"),
]


@pytest.mark.parametrize(("text", "told"), HOSTILE)
def test_what_is_wrong_is_told_with_its_place(text: str, told: str, tmp_path: Path) -> None:
    found = problems_of(tmp_path, text)
    assert any(re.search(told, each) for each in found), found


def test_every_mistake_is_told_at_once_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "c.yaml", tmp_path / "o.yaml"
    file.write_text("services:\n  web: {image: x, cpus: two}\n  db: {image: x, mem_limit: lots}\n", "utf-8")
    assert main(["init", "compose", str(file), "-o", str(out)]) == 2
    assert "2 mistakes; nothing was run or written" in capsys.readouterr().err
    assert not out.exists()


def test_the_starter_is_a_scenario(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "shop.yaml"
    assert main(["init", "-o", str(out)]) == 0
    assert out.read_text("utf-8") == STARTER
    assert set(load_scenario(out, checks=CHECKS).services) == {"web", "database"}
    assert main(["init", "-o", str(out)]) == 2
    assert "is there already" in capsys.readouterr().err
