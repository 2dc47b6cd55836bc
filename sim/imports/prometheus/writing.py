"""Estimates as the text of a scenario that replays the recording, with what was observed beside."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np

from sim.imports.prometheus.counting import Total
from sim.imports.prometheus.estimate import Estimate, Window
from sim.imports.writing import IMAGE, MIB, SETTLE, VM_IMAGE, guess, one_line, quoted, shortened, vm_memory
from sim.terms.records import Array

STAGES: Final = 400
"""Most stages of a service's traffic; windows are put together until there are no more."""
_MOST_WINDOWS: Final = 3000
_QUANTILES: Final = (("p50", 0.50), ("p95", 0.95), ("p99", 0.99))


def written(
    name: str,
    source: str,
    services: Sequence[Estimate],
    window: Window,
    *,
    host: tuple[float | None, float | None] = (None, None),
    platform: str = "container",
    notes: Sequence[str] = (),
    file: str = "replay.yaml",
) -> str:
    """The scenario's YAML. `host`: its cores and bytes where they are known."""
    lines = [*_head(name, source, services, window, notes, file), *_settings(name, window, host, platform), "services:"]
    for each in services:
        lines += _service(each)
    return "\n".join(lines) + "\n"


def _head(
    name: str, source: str, services: Sequence[Estimate], window: Window, notes: Sequence[str], file: str
) -> list[str]:
    first, last = (datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S") for at in (window.start, window.end))
    out = f"results/{name}"
    lines = [
        f"# What Prometheus recorded from {first} to {last} UTC, to be replayed; from {one_line(source)}.",
        f"#   python -m sim {file}   (predicted beside observed)",
        f"#   python -m sim {file} --set traffic=1.3 --out {out}-more   (30 % more traffic)",
        f"#   python -m sim {file} --platforms container,vm --out {out}-both   (as containers, as VMs)",
        f"#   python -m sim fit {file} --vary traffic   (how much more the host carries)",
        "# What the recording does not say is marked `# guess:`, with why: look at each.",
    ]
    told = [*notes, *(note for each in services for note in [*each.notes, *_doubts(each)])]
    if told:
        lines += ["# Of the recording:", *(f"#  - {one_line(each)}" for each in told)]
    return [shortened(line) for line in lines]


def _doubts(each: Estimate) -> list[str]:
    """What makes the numbers of a service thin."""
    asked, found = each.demand, []
    if asked.idle > 0.0:
        found.append(
            f"{each.name}: {asked.idle:.3g} cores are used without requests; they are not in the scenario, so that its "
            "CPU is to come out lower by them"
        )
    if not asked.high - asked.low < 0.4 * asked.mean:
        found.append(f"{each.name}: CPU seconds a request are uncertain by more than 20 %: record longer")
    if each.law.fitted and each.law.fitted < 1000:
        found.append(f"{each.name}: its law is fitted to {each.law.fitted:.0f} requests only")
    return found


def _settings(name: str, window: Window, host: tuple[float | None, float | None], platform: str) -> list[str]:
    cores, memory = host
    known = cores is not None and memory is not None
    line = (f"host: {{cores: {math.ceil(cores or 16)}, memory: {_bytes(memory or 64 * 2**30)}, "
            "disk: {read: 1.5GB/s, write: 1GB/s}, network: 10Gbit/s}")  # fmt: skip
    why = "its disk and network" if known else "a common server; put yours"
    return [
        f"name: {name}",
        "seed: 1",
        f"duration: {SETTLE + window.grid[-1] - window.grid[0]:.10g}s   # its first {SETTLE} s: before the recording",
        f"warmup: {SETTLE}s   # the replicas start",
        "replications: 3",
        guess(line, why),
        guess(f"platforms: [{platform}]", "what it ran on, by the names of the metrics"),
    ]


def _service(each: Estimate) -> list[str]:
    law, low, high = each.law, each.demand.low, each.demand.high
    image = f"    image: {{vm: {VM_IMAGE / 1e9:.3g}GB, container: {IMAGE / 1e6:.3g}MB, cached: true}}"
    lines = [f"  {quoted(each.name)}:", guess(image, "sizes unknown; on the host already"), _memory(each),
             guess("    start_cpu: 1s", "core-seconds until it can serve")]  # fmt: skip
    threads = max(16, 2 ** math.ceil(math.log2(4 * max(each.in_flight, 1.0))))
    why = f"requests in one replica at once; {each.in_flight:.2g} on average when it was busiest"
    lines.append(guess(f"    concurrency: {threads}", why))
    if each.one_core:
        lines.append(guess("    threads: 1", "CPython and Node run one thread at a time"))
    shape = f"a {law.family} of cv {law.cv:g} fits {law.fitted:.0f} durations best" if law.fitted else "cv 1 is a guess"
    per = "caller's requests" if each.called else "requests"
    lines += [
        "    request:",
        f"      - cpu: {_law(law.family, law.cpu, law.cv)}   # d CPU / d {per}: {_time(law.cpu)}, 95 % "
        f"{_time(low)} to {_time(high)}, {each.demand.windows} windows; {shape}",
    ]
    if law.wait:
        what = f"durations beyond CPU (times {each.slower:.2f} for sharing): disk, network, other services, locks"
        lines.append(guess(f"      - wait: {_law(law.family, law.wait, law.cv)}", what))
    lines += [guess(f"      - call: {quoted(name)}", "it has CPU but no requests of its own: one call a request")
              for name in each.calls]  # fmt: skip
    lines += [*_size(each), f"    replicas: {each.replicas}"]
    return [*lines, *_observed(each)] if each.called else [*lines, *_slo(each), *_traffic(each), *_observed(each)]


def _memory(each: Estimate) -> str:
    if each.memory is None:
        return guess("    memory: 64MiB", "no series of its memory")
    most = "" if each.memory_most is None else f"; at most {each.memory_most / MIB:.4g} MiB"
    return f"    memory: {_round_bytes(each.memory)}   # of one replica, mean over time{most}"


def _size(each: Estimate) -> list[str]:
    cpu = each.cpu_request or max(0.1, math.ceil(each.cpu_most * 10) / 10)
    if each.cpu_limit is not None:
        cpu = min(cpu, each.cpu_limit)
    grown = (each.memory_most or 64 * MIB) * 1.25
    memory = each.memory_request or math.ceil(grown / (64 * MIB)) * 64 * MIB
    limit = each.memory_limit
    memory = min(memory, limit) if limit else memory
    cpus = f"request: {cpu:.6g}" + (f", limit: {each.cpu_limit:.6g}" if each.cpu_limit else "")
    rams = f"request: {_bytes(memory)}" + (f", limit: {_bytes(limit)}" if limit else "")
    line = f"      container: {{cpu: {{{cpus}}}, memory: {{{rams}}}}}"
    known = each.cpu_request is not None and each.memory_request is not None
    vcpus = max(1, math.ceil(each.cpu_limit or max(cpu, each.cpu_most)))
    ram = vm_memory(limit or memory)
    return [
        "    size:",
        line if known else guess(line, "the most it used, and a quarter more memory"),
        guess(f"      vm: {{cpu: {vcpus}, memory: {_bytes(ram)}}}", "whole vCPUs; 512 MiB more for an OS"),
    ]


def _slo(each: Estimate) -> list[str]:
    lines = [guess("    timeout: 30s", "how long a client waits")]
    if each.histogram is None:
        return [*lines, guess("    slo: {p95: 1s, availability: 99%}", "what is good enough; put yours")]
    target = _time(2 * each.histogram.quantile(0.95)[0])
    return [*lines, guess(f"    slo: {{p95: {target}, availability: 99%}}", "twice what was observed; put yours")]


def _traffic(each: Estimate) -> list[str]:
    stages = stages_of(each.requests)
    lines = ["    traffic:", "      ramping-arrival-rate:", f"        start: {_rate(stages[0][1])}"]
    lines += [guess("        arrivals: poisson", "counters do not say how requests come within a window"),
              "        stages:", f"          - {{duration: {SETTLE}s, target: {_rate(stages[0][1])}}}"]  # fmt: skip
    for length, rate in stages:
        lines += [f"          - {{duration: 0s, target: {_rate(rate)}}}",
                  f"          - {{duration: {length:.10g}s, target: {_rate(rate)}}}"]  # fmt: skip
    return lines


def stages_of(total: Total) -> list[tuple[float, float]]:
    """(length in s, rate in 1/s) of stretches of one rate: those that a Poisson process tells apart stay apart.

    The two neighbours that differ least, in standard errors, are put together, until all differ by more than chance
    lets the most different of so many be (Bonferroni's bound on a normal tail, and half an error): chance that was
    taken for a change of the rate would come twice, in the rates and in the arrivals.
    """
    added, seconds = total.added, total.seconds
    while added.size > _MOST_WINDOWS:
        starts = np.arange(0, added.size, 2)
        added, seconds = np.add.reduceat(added, starts), np.add.reduceat(seconds, starts)
    least = math.sqrt(2 * math.log(max(added.size, 2))) + 0.5
    while added.size > 1:
        apart = np.abs(np.diff(added / seconds))
        errors = np.sqrt((added + 0.5) / seconds**2)
        apart /= np.hypot(errors[1:], errors[:-1])
        first = int(np.argmin(apart))
        if apart[first] > least and added.size <= STAGES:
            break
        added, seconds = (_joined(values, first) for values in (added, seconds))
    return list(zip(seconds.tolist(), (added / seconds).tolist(), strict=True))


def _joined(values: Array, first: int) -> Array:
    """The values with that one and the next as their sum."""
    return np.concatenate([values[:first], [values[first] + values[first + 1]], values[first + 2 :]])


def _observed(each: Estimate) -> list[str]:
    told = [f"cpu: {each.cores:.5g}"]
    if not each.called:
        told.insert(0, f"rate: {_rate(float(each.requests.added.sum() / each.requests.seconds.sum()))}")
    if each.memory_mean is not None:
        told.append(f"memory: {_round_bytes(each.memory_mean)}")
    lines = []
    if each.histogram is not None:
        if each.mean_duration is not None:
            told.append(f"mean: {_time(each.mean_duration)}")
        told += [f"{name}: {_time(each.histogram.quantile(q)[0])}" for name, q in _QUANTILES]
        bounds = ", ".join(_time(bound) for bound in each.histogram.bounds)
        lines = [f"      buckets: [{bounds}]"]
    return ["    observed:   # what is predicted is printed beside it; CPU and memory of all replicas",
            *(f"      {each}" for each in told), *lines]  # fmt: skip


def _law(family: str, mean: float, cv: float) -> str:
    return f"{{{family}: {{mean: {_time(mean)}, cv: {cv:g}}}}}"


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{float(f'{seconds / size:.4g}'):.10g}{unit}"
    return f"{seconds / 1e-9:.4g}ns"


def _rate(rate: float) -> str:
    return f"{float(f'{rate:.5g}'):.10g}/s"


def _round_bytes(value: float) -> str:
    return f"{value / MIB:.4g}MiB" if value < 1000 * MIB else f"{value / 2**30:.4g}GiB"


def _bytes(value: float) -> str:
    return f"{value / 2**30:.0f}GiB" if value % 2**30 == 0 else f"{math.ceil(value / MIB)}MiB"
