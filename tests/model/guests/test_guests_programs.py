"""Steps with a platform's numbers, exactly; and distributions by the two numbers that the data plane draws from."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sim.engine.steps import Call, Cpu, Law, Move, Parallel, Wait
from sim.model.chance.sampling import sampler
from sim.model.guests.programs import Resolver, law_of
from sim.platforms import Platform, load_platform
from sim.reading.distribution import parse_distribution
from sim.scenario import scenario_from_text

LINKS = {"read": 1, "write": 2, "network": 3}
PLATFORM = load_platform(
    "vm",
    {
        "cpu": {"per_syscall": "4us"},
        "disk": {"cpu_per_op": "3us", "latency": "50us", "latency_per_byte": "0s"},
        "net": {"cpu_per_packet": "2us", "batch": 1, "cpu_per_byte": "0s", "latency": "70us"},
    },
)
OFFLOADED = load_platform(
    "vm", {"net": {"cpu_per_packet": "2us", "batch": 45, "cpu_per_byte": "0.5ns", "latency": "70us"}}
)


def resolved(program: str, platform: Platform = PLATFORM) -> list[object]:
    text = f"""\
duration: 1min
host: {{cores: 4, memory: 8GiB}}
platforms: [native]
services:
  web: {{size: {{cpu: 1, memory: 1GiB}}, request: {program}}}
  db: {{size: {{cpu: 1, memory: 1GiB}}, request_cpu: 1ms}}
"""
    steps = scenario_from_text(text).services["web"].request
    assert steps is not None
    return list(Resolver(platform, {"web": 0, "db": 1}, LINKS).program(steps))


def io(work: float, time: float, size: float, link: int, part: str) -> list[object]:
    cpu, wait = Law("constant", pytest.approx(work)), Law("constant", pytest.approx(time))
    return [Cpu(cpu, overhead=False), Wait(wait, part), Move(link, size, part)]


KIB = 1024.0
DISK = [
    ("read: 1B", 1, 1.0, 1),
    ("read: 128KiB", 1, 128 * KIB, 1),
    ("read: 131073B", 2, 131073.0, 1),
    ("write: 1MiB", 8, 1024 * KIB, 2),
    ("reads: 5", 5, 20 * KIB, 1),
    ("writes: 1", 1, 4 * KIB, 2),
]


@pytest.mark.parametrize(("step", "operations", "size", "link"), DISK, ids=[row[0] for row in DISK])
def test_disk(step: str, operations: int, size: float, link: int) -> None:
    assert resolved(f"[{step}]") == io(operations * 3e-6, operations * 50e-6, size, link, "disk")


@pytest.mark.parametrize(("size", "packets"), [(1, 1), (1448, 1), (1449, 2), (144_800, 100), (144_801, 101)])
@pytest.mark.parametrize("way", ["send", "receive"])
def test_network(way: str, size: int, packets: int) -> None:
    assert resolved(f"[{way}: {size}B]") == io(packets * 2e-6, 70e-6, float(size), 3, "network")


@pytest.mark.parametrize(("size", "passes"), [(1, 1), (65_160, 1), (65_161, 2), (1_000_000, 16)])
def test_packets_that_pass_through_the_stack_together_cost_one(size: int, passes: int) -> None:
    assert resolved(f"[send: {size}B]", OFFLOADED) == io(
        passes * 2e-6 + size * 0.5e-9, 70e-6, float(size), 3, "network"
    )


def test_bytes_of_an_operation_may_take_time() -> None:
    slow = load_platform("vm", {"disk": {"cpu_per_op": "3us", "latency": "50us", "latency_per_byte": "2ns"}})
    assert resolved("[read: 300KB]", slow) == io(3 * 3e-6, 3 * 50e-6 + 300e3 * 2e-9, 300e3, 1, "disk")


def test_system_calls_are_work_without_overhead() -> None:
    assert resolved("[syscalls: 25]") == [Cpu(Law("constant", pytest.approx(100e-6)), overhead=False)]


def test_no_bytes_are_no_step() -> None:
    assert resolved("[send: 0B, read: 0B, write: 0MB, receive: 0B]") == []


def test_the_rest_in_its_order() -> None:
    program = "[cpu: {exponential: 1ms}, parallel: [wait: 1s, [call: db, send: 0B]], call: {service: db, times: 3, " + (
        "probability: 25%, retries: 2}]"
    )
    assert resolved(program) == [
        Cpu(Law("exponential", 0.001)),
        Parallel([[Wait(Law("constant", 1.0))], [Call(1)]]),
        Call(1, times=3, probability=0.25, retries=2),
    ]


LAWS = {
    "2ms": lambda a, b: a,
    "{exponential: 2ms}": lambda a, b: a,
    "{uniform: {min: 1ms, max: 3ms}}": lambda a, b: (a + b) / 2,
    "{lognormal: {mean: 2ms, cv: 1.5}}": lambda a, b: math.exp(a + b * b / 2),
    "{weibull: {mean: 2ms, shape: 0.6}}": lambda a, b: a * math.gamma(1 + 1 / b),
    "{pareto: {mean: 2ms, shape: 2.5}}": lambda a, b: a * b / (b - 1),
    "{gamma: {mean: 2ms, cv: 0.5}}": lambda a, b: a * b,
}


@pytest.mark.parametrize("text", LAWS)
def test_the_two_numbers_give_the_mean_of_the_scenario(text: str) -> None:
    from ruamel.yaml import YAML

    law = law_of(parse_distribution(YAML(typ="safe").load(text)))
    assert LAWS[text](law.a, law.b) == pytest.approx(0.002, rel=1e-12)


@pytest.mark.parametrize(("text", "quantile"), [
    ("{lognormal: {mean: 2ms, cv: 1.5}}", lambda a, b: math.exp(a + b * 1.2815515655446004)),
    ("{weibull: {mean: 2ms, shape: 0.6}}", lambda a, b: a * math.log(10.0) ** (1 / b)),
    ("{pareto: {mean: 2ms, shape: 2.5}}", lambda a, b: a * 10.0 ** (1 / b)),
])  # fmt: skip
def test_they_are_the_laws_that_single_jobs_are_drawn_from(text: str, quantile: object) -> None:
    from ruamel.yaml import YAML

    distribution = parse_distribution(YAML(typ="safe").load(text))
    drawn = sampler(distribution)(np.random.default_rng(1), 200_000)
    law = law_of(distribution)
    assert np.quantile(drawn, 0.9) == pytest.approx(quantile(law.a, law.b), rel=0.02)  # type: ignore[operator]
