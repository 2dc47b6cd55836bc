"""A draft as the text of a scenario: every guess marked with why, what has no words here listed in its head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Final

from sim.imports.draft import Draft, Load, Part, scenario_name
from sim.imports.images import Images

MIB: Final = 2**20
# What is put in where the file does not say. None is a measurement, and each is marked in the text (trust: memory).
CPU, MEMORY, BASE = 0.1, 128 * MIB, 64 * MIB
IMAGE, VM_IMAGE, VM_MORE = 200e6, 2e9, 512 * MIB
RATE, CONCURRENCY, REQUEST = "10/s", 16, 0.005
_KUBELET: Final = "node: {kubelet: true}   # its part of a pod's start; `node: kubernetes` for a node's limits, too"
SERVERS: Final = (16, 32, 64, 96, 128, 192)  # cores of common servers, with 4 GiB each
SETTLE, STEADY = 60, 90  # seconds in which the replicas start, and of steady traffic after them


@dataclass
class Extras:
    """What goes beside the draft: recorded traffic, sizes of images.

    `recordings`: name of a part → file name of its recording. `told`: more lines for the head.
    """

    load: Load | None = None
    recordings: Mapping[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    images: Images | None = None
    entry: str | None = None


def guesses_of(text: str) -> list[str]:
    """The lines of a scenario's text that are guessed, without their places."""
    return [line.strip() for line in text.splitlines() if "# guess:" in line and not line.startswith("#")]


def written(draft: Draft, extras: Extras | None = None) -> str:
    """The scenario's YAML."""
    extras = extras or Extras()
    entry = draft.entry(extras.entry)
    lines = [*_head(draft, extras), *_settings(draft, extras), "services:"]
    for part in draft.parts:
        driven = part.name in extras.recordings if extras.recordings else part is entry
        lines += _service(part, extras, driven, settled(draft))
    return "\n".join(lines) + "\n"


def _head(draft: Draft, extras: Extras) -> list[str]:
    cpu, memory, silent = draft.totals()
    told = f"Requested in the file, over all replicas: {cpu:g} cores, {_bytes(memory)}"
    told += f"; {silent} of {len(draft.parts)} services say nothing of CPU, of memory, or of both." if silent else "."
    lines = [f"# From {draft.source}. What the file does not say is marked `# guess:`, with why: look at each.",
             f"# {told}", *(f"# {each}" for each in draft.counted)]  # fmt: skip
    entry = draft.entry(extras.entry)
    called = {name for part in draft.parts for name in part.calls}
    busy = {entry.name, *called, *extras.recordings}
    idle = [part.name for part in draft.parts if part.name not in busy]
    if idle:
        lines.append(
            f"# Nothing says who calls {', '.join(idle)}: idle here until you add calls, or traffic of its own."
        )
    lost = [*draft.lost, *(extras.load.notes if extras.load else []), *extras.told]
    if lost:
        lines += ["# Of the files, this is not, or otherwise, in the scenario:", *(f"#  - {each}" for each in lost)]
    lines = [f"{line[: len(line) - len(line.lstrip('# '))]}{one_line(line.lstrip('# '))}" for line in lines]
    return [shortened(line) for line in lines]


def _settings(draft: Draft, extras: Extras) -> list[str]:
    load = extras.load
    settle = settled(draft)
    length = f"{ceil(load.seconds) + settle}s" if load else f"{settle + STEADY}s"
    platforms = "[vm, container]"
    if draft.platforms:
        others = "".join(f", {each}: {_nested(override)}" for each, (override, _) in draft.platforms.items())
        platforms = f"{{vm: {{}}, container: {{}}{others}}}"
    why = "; ".join(f"{each}: {reason}" for each, (_, reason) in draft.platforms.items())
    return [
        f"name: {scenario_name(draft.name.lower().replace('.', '-'), 'imported')}",
        "seed: 1",
        f"duration: {length}" if load else guess(f"duration: {length}", "long enough for steady traffic"),
        guess(f"warmup: {settle}s", "discarded before measuring: the replicas start; longer if they take longer"),
        "replications: 3",
        _host(draft),
        *([_KUBELET] if draft.kubelet else []),
        guess(f"platforms: {platforms}", why) if why else f"platforms: {platforms}",
    ]  # fmt: skip


def _host(draft: Draft) -> str:
    """The smallest of common servers that has room for every service as VMs; the largest if none has."""
    sizes = [(part, *_vm(part)) for part in draft.parts]
    cores = sum(vcpus * part.replicas for part, vcpus, _ in sizes)
    memory = sum(ram * part.replicas for part, _, ram in sizes) + 2**30
    fits = (each for each in SERVERS if each >= cores and each * 4 * 2**30 >= memory)
    most = next(fits, SERVERS[-1])
    why = "a common server" if most == SERVERS[0] else f"a server with room for {cores} vCPUs, those of all as VMs"
    text = f"host: {{cores: {most}, memory: {most * 4}GiB, disk: {{read: 1.5GB/s, write: 1GB/s}}, network: 10Gbit/s}}"
    return guess(text, f"{why}; put yours")


def _vm(part: Part) -> tuple[int, int]:
    """vCPUs and bytes of RAM of a VM that does what a replica does."""
    cpu = part.amounts.cpu_limit or part.amounts.cpu or CPU
    memory = part.amounts.memory_limit or part.amounts.memory or MEMORY
    return max(1, ceil(cpu)), vm_memory(memory)


def vm_memory(memory: float) -> int:
    """Bytes of RAM of a VM for `memory` bytes of a replica: an OS beside it, in steps of 256 MiB."""
    return ceil((memory + VM_MORE) / (256 * MIB)) * 256 * MIB


def settled(draft: Draft) -> int:
    """Seconds in which the replicas start: 60, or what the latest readiness probe takes, and 30 more."""
    spans = [sum(float(each.removesuffix("s")) for each in (part.ready or {}).values()) for part in draft.parts]
    return max(SETTLE, 30 * ceil(max(spans, default=0.0) / 30 + 1))


def _service(part: Part, extras: Extras, entry: bool, settle: int) -> list[str]:
    lines = [f"  {quoted(part.name)}:", *_image(part, extras.images)]
    used, why = (float(BASE), "its file says nothing of memory")
    promised = part.amounts.memory or part.amounts.memory_limit
    if promised:
        used, why = promised / 2, "half of what it is promised; measure it"
    work, told = REQUEST, "measure it, it decides the answer"
    if entry and extras.load and extras.load.duration and extras.load.duration < work:
        work, told = extras.load.duration, f"{told}; at most the median duration of the log"
    lines += [
        guess(f"    memory: {_bytes(used)}", f"used when idle: {why}"),
        guess("    start_cpu: 1s", "core-seconds until it can serve"),
        guess(f"    concurrency: {CONCURRENCY}", "requests in service at once in one replica"),
        "    request:",
        guess(f"      - cpu: {{lognormal: {{mean: {_milli(work)}, cv: 1}}}}", f"core-seconds of one request; {told}"),
    ]
    lines += [
        guess(f"      - call: {quoted(name)}", f"one call a request: {reason}") for name, reason in part.calls.items()
    ]
    if entry and extras.load and extras.load.answer_bytes:
        lines.append(f"      - send: {ceil(extras.load.answer_bytes)}B   # the log's mean")
    lines += _size(part)
    if part.autoscale:
        lines.append(_marked(part, "autoscale", f"    autoscale: {_flow(part.autoscale)}"))
    else:
        lines.append(f"    replicas: {part.replicas}")
    if part.ready:
        lines.append(_marked(part, "ready", f"    ready: {_flow(part.ready)}"))
    return [*lines, *(_traffic(part, extras, settle) if entry else [])]


def _traffic(part: Part, extras: Extras, settle: int) -> list[str]:
    lines = [guess("    timeout: 5s", "how long a client waits"),
             guess("    slo: {p99: 1s, availability: 99%}", "what is good enough; put yours")]  # fmt: skip
    why = "" if extras.entry else f"all requests come to it: {part.reached or 'nobody here calls it'}"
    if extras.load is None:
        return [*lines, guess(f"    traffic: {{rate: {RATE}}}", f"no log was given; {why or 'put your own'}")]
    if extras.load.rate is not None:
        line = f"    traffic: {{rate: {extras.load.rate:.6g}/s}}"
        return [*lines, guess(line, why) if why else line]
    if len(extras.recordings) > 1:
        why = ""  # the file itself says whose requests they are
    text = f"      trace: {{file: {extras.recordings[part.name]}, shift: {settle}s}}"
    return [
        *lines,
        guess("    traffic:", why) if why else "    traffic:",
        f"{text}   # begins when the replicas have had {settle} s to start",
    ]


def _image(part: Part, images: Images | None) -> list[str]:
    told = part.image or "built from its folder"
    names = part.images or [part.image]
    found = [images.find(name) if images else None for name in names]
    known = [each for each in found if each is not None]
    missing = [name for name, each in zip(names, found, strict=True) if each is None]
    size = sum(each.bytes for each in known) + IMAGE * len(missing)
    container = _decimal(size)
    if known and not missing and all(each.layers for each in known):
        layers = {name: length for each in known for name, length in each.layers}
        container = f"{{layers: [{', '.join(f'{name} {_decimal(length)}' for name, length in layers.items())}]}}"
    line = f"    image: {{vm: {_decimal(VM_IMAGE + size)}, container: {container}, cached: true}}"
    why = "; ".join(dict.fromkeys(each.told for each in known))
    if missing:
        unknown = "size unknown" if len(names) == 1 else f"size of {', '.join(missing)} unknown"
        why = f"{why}; {unknown}" if why else unknown
    return [guess(line, f"{told}: {why}; of the VM, an OS of 2 GB beside it; on the host already")]


def _size(part: Part) -> list[str]:
    amounts = part.amounts
    cpu, memory = amounts.cpu, amounts.memory
    guessed = []
    if cpu is None:
        cpu = amounts.cpu_limit or CPU
        guessed.append("CPU request is its limit" if amounts.cpu_limit else f"no CPU request: {CPU:g}")
    if memory is None:
        memory = amounts.memory_limit or MEMORY
        guessed.append(
            "memory request is its limit" if amounts.memory_limit else f"no memory request: {_bytes(MEMORY)}"
        )
    most = None if amounts.cpu_limit is None else f"{amounts.cpu_limit:.10g}"
    ram_most = None if amounts.memory_limit is None else _bytes(amounts.memory_limit)
    mine = f"cpu: {_pair(f'{cpu:.10g}', most)}, memory: {_pair(_bytes(memory), ram_most)}"
    line = f"      container: {{{mine}}}"
    vcpus, ram = _vm(part)
    why = "whole vCPUs, and the memory with 512 MiB for an OS, in steps of 256 MiB"
    lines = [
        "    size:",
        guess(line, "; ".join(guessed)) if guessed else _marked(part, "size", line),
        guess(f"      vm: {{cpu: {vcpus}, memory: {_bytes(ram)}}}", why),
    ]
    if part.overhead[1] and part.runtime:
        ram_more = None if amounts.memory_limit is None else _bytes(amounts.memory_limit + part.overhead[1])
        both = f"cpu: {_pair(f'{cpu:.10g}', most)}, memory: {_pair(_bytes(memory + part.overhead[1]), ram_more)}"
        lines.append(f"      {part.runtime}: {{{both}}}   # with the memory of its pod's overhead")
    return lines


def _pair(request: str, limit: str | None) -> str:
    return f"{{request: {request}, limit: {limit}}}" if limit else f"{{request: {request}}}"


def _flow(values: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in values.items()) + "}"


def _nested(values: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{key}: {_nested(each) if isinstance(each, Mapping) else each}"
                           for key, each in values.items()) + "}"  # fmt: skip


def _marked(part: Part, key: str, line: str) -> str:
    if key in part.guesses:
        return guess(line, part.guesses[key])
    return f"{line}   # {one_line(part.notes[key])}" if part.notes.get(key) else line


def quoted(name: str) -> str:
    """A name of a service, in quotes where YAML would read something else of it: a number, a truth, nothing."""
    return f'"{name}"' if name[:1].isdigit() or name.lower() in ("true", "false", "null") else name


def guess(line: str, why: str) -> str:
    """A line of the scenario that was guessed, and why."""
    return f"{line}   # guess: {one_line(why)}"


def one_line(text: str) -> str:
    """A text that can stand in a comment: names in a file may have line breaks."""
    return " ".join(text.split())


def shortened(line: str) -> str:
    """A line of the head, not endless."""
    return line if len(line) < 400 else f"{line[:399]}…"


def _bytes(value: float) -> str:
    """Bytes, exactly."""
    for unit, size in (("GiB", 2**30), ("MiB", MIB), ("KiB", 1024)):
        if value >= size and value % size == 0:
            return f"{value / size:.0f}{unit}"
    return f"{value:.0f}B"


def _milli(seconds: float) -> str:
    return f"{1000 * seconds:.4g}ms"


def _decimal(value: float) -> str:
    if value < 1e5:
        return f"{value:.0f}B"
    return f"{value / 1e9:.6g}GB" if value >= 1e9 else f"{value / 1e6:.6g}MB"
