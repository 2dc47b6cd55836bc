"""The comparison in a few plain sentences. Every sentence states numbers of the table and nothing beyond
them.

Rules, in the order of the lines:
1. who completed the greater share of the requests, and what became of the others;
2. response p99 and the SLO;
3. where the time goes that the slower platforms need more, if requests have several steps;
4. mainly because of what the best and the worst differ, where the groups of mechanisms were taken apart;
5. start-up, scale-out and refused starts, and what the host was doing while the platform that served the fewest lost
   requests; introduced by "Likely why" only if nothing was taken apart, most of them were lost while replicas were
   starting, and it is also the platform that started and scaled out slowest;
6. how many guests fit;
7. memory and CPU: used, allocated, overhead;
8. how sure all this is.
A line is left out where the scenario has no such metric.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from sim.report.answers.comparison import Comparison, Line, focus_lines
from sim.report.metrics.numbers import listed, share, text, times
from sim.report.metrics.statistics import FEWEST
from sim.terms.metrics import ALL

SAME_SHARE = 0.0005  # shares of requests closer than this are told as equal
MOST_TOLD = 3  # platforms whose lost requests are told one by one
_FATES = {
    "requests.rejected": "rejected",
    "requests.timed_out": "timed out",
    "requests.failed": "failed",
    "requests.in_flight": "still in flight",
}


def conclude(comparison: Comparison) -> list[str]:
    """Say in at most eight lines who did better and by how much."""
    rules: Sequence[Callable[[Comparison], Iterator[str]]] = (
        _served, _response, _spent, _because, _starts, _fits, _host, _certainty,
    )  # fmt: skip
    lines = [" ".join(sentences) for rule in rules if (sentences := list(rule(comparison)))]
    if lines:
        lines[0] = f"{comparison.scenario}: {lines[0]}"
    return lines


_TOLD = ("requests.", "response.", "slo.met", "startup.p50", "scale_out.time", "guests.refused", "goodput")
"""Metrics that the sentences on users and starts tell."""


def briefly(comparison: Comparison) -> list[str]:
    """The answer in a few lines: who served, how fast and how surely, what the scenario is about, and likely why."""
    rules: Sequence[Callable[[Comparison], Iterator[str]]] = (_served, _response, _spent, _because, _asked, _starts)
    lines = [" ".join(sentences) for rule in rules if (sentences := list(rule(comparison)))]
    return lines or conclude(comparison)


def _because(comparison: Comparison) -> Iterator[str]:
    """Mainly because of what: as the manifest has it."""
    if told := comparison.because.get("text"):
        yield str(told)


def _asked(comparison: Comparison) -> Iterator[str]:
    """The metrics of the focus that no other sentence tells."""
    for each in focus_lines(comparison):
        if not each.asked.startswith(_TOLD):
            yield f"{each.line.metric.label.strip()}: {_ranked(_scaled(comparison, each.line))}."


def _scaled(comparison: Comparison, line: Line) -> Line:
    factor, unit = comparison.shown_in(line.metric)
    values = {name: value.scaled(factor) for name, value in line.values.items()}
    return replace(line, metric=replace(line.metric, unit=unit), values=values)


def _means(comparison: Comparison, metric: str) -> dict[str, float]:
    line = comparison.line(metric)
    return {} if line is None else {name: value.mean for name, value in line.values.items()}


def _shares(comparison: Comparison) -> dict[str, float]:
    """Completed / arrived by platform, greatest first."""
    arrived, completed = _means(comparison, "requests.arrived"), _means(comparison, "requests.completed")
    shares = {name: completed[name] / arrived[name] for name in completed if arrived.get(name)}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def _served(comparison: Comparison) -> Iterator[str]:
    shares = _shares(comparison)
    if not shares:
        return
    arrived = _means(comparison, "requests.arrived")
    in_time = " in time" if any(_means(comparison, "requests.timed_out").values()) else ""
    told = f"of {text(round(arrived[next(iter(shares))]), '1')} requests"
    best, *others = shares
    if others and shares[best] - min(shares.values()) < SAME_SHARE:
        yield f"{listed(shares)} each served {share(min(shares.values()))} {told}{in_time}."
    else:
        rest = "".join(f", {name} {share(shares[name])}" for name in others)
        yield f"{best} served {share(shares[best])} {told}{in_time}{rest}."
    lost = {name: fate for name in shares if (fate := _fate(comparison, name))}
    if lost:
        worst = list(lost)[-MOST_TOLD:]  # the shares fall
        yield f"Not served: {'; '.join(f'{name} {lost[name]}' for name in worst)}."


def _fate(comparison: Comparison, platform: str) -> str:
    counts = {word: _means(comparison, metric).get(platform, 0.0) for metric, word in _FATES.items()}
    return ", ".join(f"{text(round(count), '1')} {word}" for word, count in counts.items() if count >= 0.5)


def _response(comparison: Comparison) -> Iterator[str]:
    line = comparison.line("response.p99")
    if line is not None and line.untold:
        told = ", ".join(f"{name} {text(value.mean, 's')}" for name, value in line.values.items())
        yield f"Response p99 is not comparable ({line.untold}): {told}."
    elif line is not None:
        shares = _shares(comparison).values()
        equal = not shares or max(shares) - min(shares) < SAME_SHARE
        yield f"Response p99{'' if equal else ' of completed requests'}: {_ranked(line)}."
    held = _means(comparison, "slo.met")
    doubted = comparison.line("slo.met")
    if doubted is not None and doubted.untold and any(held.values()):
        each = ", ".join(f"{name} {_held(part, comparison.replications[name])}" for name, part in held.items())
        yield f"SLO: cannot be told ({doubted.untold}); by these numbers {each}."
    elif held:
        words = {name: _held(part, comparison.replications[name]) for name, part in held.items()}
        each = ", ".join(f"{name} {word}" for name, word in words.items())
        alike = {"yes": "by all", "no": "by none"}.get(next(iter(words.values())))
        yield f"SLO met: {alike if alike and len(set(words.values())) == 1 and len(words) > 1 else each}."
    yield from _tenants(comparison)


def _tenants(comparison: Comparison) -> Iterator[str]:
    """What is left of missed SLOs of many tenants when chance is taken off."""
    for each in comparison.doubts:
        missed = each.numbers.get("missed") if each.code == "many-tests" else None
        if missed and any(each.numbers["missed_alone"].values()):
            told = ", ".join(f"{platform} {count}" for platform, count in missed.items())
            yield f"Tenants of {each.service} (of {each.numbers['tenants']}) that miss it beyond chance (Holm): {told}."


PARTS = {
    "cpu": "CPU", "contention": "contention", "waiting": "waiting", "wait": "waits", "disk": "disk",
    "network": "network", "calls": "calls to other services",
}  # fmt: skip
LEAST_PART = 0.1  # of the difference that a part is told of


def _spent(comparison: Comparison) -> Iterator[str]:
    """Where the mean response of the slower platforms goes that the fastest one does not need."""
    line = comparison.line("response.mean")
    parts = _parts(comparison, ALL)
    if line is None or line.untold or not parts or set(parts) != set(line.values):
        return
    means = {name: value.mean for name, value in line.values.items()}
    best = min(means, key=lambda name: means[name])
    alike: dict[str, list[str]] = {}
    for name in sorted(means, key=lambda name: means[name]):
        more = means[name] - means[best]
        if more < 0.01 * means[best] or more <= 0.0:
            continue
        where = _where(comparison, _beyond(parts, name, best), name, best)
        if where:
            alike.setdefault(f"+{text(more, 's')} on {best}'s mean response, {where}.", []).append(name)
    for what, names in alike.items():
        yield f"Of {' and '.join(names)}'s {what}"


def _where(comparison: Comparison, each: Mapping[str, float], name: str, best: str) -> str:
    """The greatest parts of a difference; what calls take is looked for in the services called, if it adds up there."""
    more, words, end = math.fsum(each.values()), dict(PARTS), ""
    if each["calls"] >= LEAST_PART * more:
        there = _everywhere(comparison, name, best)
        total = math.fsum(there.values())
        if total > 0.0 and abs(total - more) <= LEAST_PART * more:  # one call after the other
            each, end = {**there, "calls": 0.0}, ", the services called included"
        elif total > 0.0:  # calls at once: the last one counts
            most = [part for part in sorted(there, key=lambda part: -there[part]) if there[part] >= 0.25 * total]
            words["calls"] += f" (there above all {' and '.join(PARTS[part] for part in most[:2])})" if most else ""
    told = [part for part in sorted(each, key=lambda part: -each[part]) if each[part] >= LEAST_PART * more][:3]
    if not told:
        return ""
    first, *others = (text(each[part], "s") for part in told)
    rest = [f"{amount} {words[part]}" for amount, part in zip(others, told[1:], strict=True)]
    return f"{listed([f'{first} are {words[told[0]]}', *rest])}{end}"


def _parts(comparison: Comparison, service: str) -> dict[str, dict[str, float]]:
    """Platform → part → s of a mean response of a service; empty where the platforms do not have the same parts."""
    lines = {part: comparison.line(f"request.{part}", service) for part in PARTS}
    known = [set(line.values) for line in lines.values() if line is not None]
    if len(known) < len(PARTS) or any(each != known[0] for each in known):
        return {}
    return {
        name: {part: line.values[name].mean for part, line in lines.items() if line is not None} for name in known[0]
    }


def _beyond(parts: Mapping[str, Mapping[str, float]], name: str, best: str) -> dict[str, float]:
    return {part: parts[name][part] - parts[best][part] for part in PARTS}


def _everywhere(comparison: Comparison, name: str, best: str) -> dict[str, float]:
    """The difference a request of users, part by part but calls, over all services that requests come to."""
    found = dict.fromkeys((part for part in PARTS if part != "calls"), 0.0)
    users = comparison.line("requests.completed")
    for service in dict.fromkeys(line.service for line in comparison.lines if line.service != ALL):
        parts, done = _parts(comparison, service), comparison.line("requests.completed", service)
        for sign, platform in ((1.0, name), (-1.0, best)):
            if users is None or done is None or platform not in parts or not users.values[platform].mean:
                continue
            each = done.values[platform].mean / users.values[platform].mean if platform in done.values else 0.0
            for part in found:
                found[part] += sign * each * parts[platform][part]
    return found


def _held(part: float, replications: int) -> str:
    if part in (0.0, 1.0):
        return "yes" if part else "no"
    return f"in {round(part * replications)} of {replications} replications"


def _starts(comparison: Comparison) -> Iterator[str]:
    start, scale = comparison.line("startup.p50"), comparison.line("scale_out.time")
    if start is None:
        return
    yield f"{'Likely why: start-up' if _explains(comparison) else 'Start-up'} p50 {_ranked(start)}."
    slowest = max(start.values, key=lambda name: start.values[name].mean)
    longest = _longest_phase(comparison, slowest)
    if longest is not None and len(start.values) > 1:
        yield f"Longest phase of {slowest}: {longest[0]}, {text(longest[1], 's')} at the median."
    if scale is not None:
        yield f"Scale-out time {_ranked(scale)}."
    refused = {name: count for name, count in _means(comparison, "guests.refused").items() if count >= 0.5}
    if refused:
        told = ", ".join(f"{name} {text(round(count), '1')}" for name, count in refused.items())
        yield f"Starts that the host refused: {told}."
    yield from _when_lost(comparison)


def _when_lost(comparison: Comparison) -> Iterator[str]:
    """What the host was doing while the platform that served the smallest share lost its requests."""
    shares = _shares(comparison)
    worst = list(shares)[-1] if shares else ""
    parts = [_means(comparison, metric).get(worst) for metric in ("lost.starting", "lost.full")]
    if parts[0] is None or parts[1] is None or (len(shares) > 1 and max(shares.values()) - shares[worst] < SAME_SHARE):
        return
    rest = max(0.0, 1.0 - parts[0] - parts[1])
    starting, full, neither = (share(part) for part in (parts[0], parts[1], rest))
    told = f"{starting} while replicas were starting, {full} while the host was full, {neither} while neither"
    yield f"Of what {worst} lost, {told}."


def _explains(comparison: Comparison) -> bool:
    """Whether the platform that served the fewest lost most while starting, and is by far the slowest at that."""
    if comparison.because.get("parts"):
        return False  # it was taken apart: no guess is needed
    shares = _shares(comparison)
    start, scale = _means(comparison, "startup.p50"), _means(comparison, "scale_out.time")
    if len(shares) < 2 or set(start) != set(shares) or set(scale) != set(shares):
        return False
    best, worst = next(iter(shares)), list(shares)[-1]
    return (
        _means(comparison, "lost.starting").get(worst, 0.0) > 0.5
        and shares[best] - shares[worst] >= SAME_SHARE
        and max(start, key=lambda name: start[name]) == worst
        and max(scale, key=lambda name: scale[name]) == worst
        and start[worst] > 2 * start[best]
    )


def _longest_phase(comparison: Comparison, platform: str) -> tuple[str, float] | None:
    phases = {
        line.metric.name.split(".")[1]: line.values[platform].mean
        for line in comparison.of("all")
        if line.metric.name.count(".") == 2 and line.metric.name.endswith(".p50") and platform in line.values
    }
    return max(phases.items(), key=lambda item: item[1]) if phases else None


def _fits(comparison: Comparison) -> Iterator[str]:
    most = comparison.line("density.max")
    if most is not None:
        yield f"Guests that fit: {_ranked(most)}."


def _host(comparison: Comparison) -> Iterator[str]:
    used, allocated = _means(comparison, "memory.used"), _means(comparison, "memory.allocated")
    unit, capacity = ("B", comparison.host["memory"]) if "memory" in comparison.host else ("ratio", 1.0)
    told = [
        f"{name} {text(used[name] * capacity, unit)} used, {text(allocated[name] * capacity, unit)} allocated"
        for name in comparison.platforms
        if name in used and name in allocated
    ]
    if told:
        yield f"Memory: {'; '.join(told)}."
    work, overhead = _means(comparison, "cpu.utilization"), _means(comparison, "cpu.overhead")
    told = [
        f"{name} {text(work[name], 'ratio')} work, {text(overhead[name], 'ratio')} overhead"
        for name in comparison.platforms
        if name in work and name in overhead
    ]
    if told:
        yield f"CPU: {'; '.join(told)}."


def _certainty(comparison: Comparison) -> Iterator[str]:
    counts = comparison.replications
    fewest, most = min(counts.values()), max(counts.values())
    if most == 1:
        yield "One replication: no interval can be given, a small difference may be chance."
    elif fewest < FEWEST:
        yield "Fewer than 3 replications: no interval can be given, a small difference may be chance."
    else:
        number = str(most) if fewest == most else f"{fewest} to {most}"
        how = "paired (same traffic)" if comparison.paired else "not paired (different seeds)"
        yield f"Means of {number} replications, 95 % intervals by Student's t" + (
            f", differences {how}." if len(counts) > 1 else "."
        )


def _ranked(line: Line) -> str:
    """Platforms from better to worse, how far apart, and whether that is sure."""
    better = line.metric.better
    ranked = sorted(line.values, key=lambda name: line.values[name].mean, reverse=better == "higher")
    told = ", ".join(f"{name} {text(line.values[name].mean, line.metric.unit)}" for name in ranked)
    if line.untold:
        return f"{told} (not comparable: {line.untold})"
    if len(ranked) < 2:
        return told
    if not line.best:
        return f"{told} (the same)"
    least, most = (line.values[name].mean for name in (ranked[0], ranked[-1]))
    if better == "higher":
        least, most = most, least
    apart = f" ({times(most / least)})" if least > 0 else ""
    unsure = " – no clear difference" if _unsure(line) else ""
    if unsure and len(ranked) > 2:
        unsure += f" between {ranked[0]} and {ranked[1]}"
    return f"{told}{apart}{unsure}"


def _unsure(line: Line) -> bool:
    """Whether there are intervals and the one that decides holds 0."""
    return not line.clear and all(value.count >= FEWEST for value in line.values.values())
