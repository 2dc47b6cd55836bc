"""Requests that were not served, queues that grow, percentiles of too few."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.report.answers.doubts.evidence import Evidence, floats
from sim.report.metrics.measures import SummaryRow
from sim.report.metrics.numbers import share
from sim.report.metrics.objectives import by_run
from sim.report.metrics.statistics import FEWEST, LEVEL, chance_above, holm
from sim.terms.doubts import Doubt, doubt
from sim.terms.metrics import ALL, TAILS

ALIKE = 0.01
"""Difference of served shares up to which percentiles are of the same requests."""
BACKLOG = 0.02
"""Share of the requests still in flight at the end from which on a queue that rises is one that grows without end."""
BATCHES = 20
MOVES = 0.999
"""Confidence (one-sided) of the test for a trend."""
_SHOWN = ("p95", "p99", "p999")


def survivors(evidence: Evidence) -> Iterator[Doubt]:
    """Platforms completed different shares: of all requests, and of those of single services."""
    services = evidence.tenants if len(evidence.tenants) > 1 else {}
    for name, full in ({ALL: [ALL]} | dict(services)).items():
        shares = {}
        for platform in evidence.platforms:
            arrived = sum(evidence.total(platform, "requests.arrived", each) for each in full)
            if arrived:
                completed = sum(evidence.total(platform, "requests.completed", each) for each in full)
                shares[platform] = completed / arrived
        yield from _apart(shares, name)


def survivors_of(rows: Sequence[SummaryRow]) -> list[Doubt]:
    """The same of rows of `summary.csv` alone, for all services together."""
    totals: dict[tuple[str, str], float] = {}
    for row in rows:
        if row.service == ALL:
            totals[row.platform, row.metric] = totals.get((row.platform, row.metric), 0.0) + row.value
    arrived = {
        platform: total for (platform, metric), total in totals.items() if metric == "requests.arrived" and total
    }
    return _apart({name: totals.get((name, "requests.completed"), 0.0) / all_ for name, all_ in arrived.items()}, ALL)


def _apart(shares: Mapping[str, float], service: str) -> list[Doubt]:
    if len(shares) < 2 or max(shares.values()) - min(shares.values()) <= ALIKE:
        return []
    told = " against ".join(f"{share(shares[each])} ({each})" for each in sorted(shares, key=lambda name: shares[name]))
    text = f"served {told}: percentiles are of those"
    return [doubt("survivors", text, service=service, served=dict(shares))]


def overload(evidence: Evidence) -> Iterator[Doubt]:
    """Requests pile up until the end of the run."""
    for platform in evidence.platforms:
        if not all(_moves(*_second_half(evidence, run.timeline)) > 0 for run in evidence.of(platform)):
            continue
        for name, full in evidence.tenants.items():
            waiting = sum(evidence.total(platform, "requests.in_flight", each) for each in full)
            arrived = sum(evidence.total(platform, "requests.arrived", each) for each in full)
            if arrived and waiting / arrived >= BACKLOG:
                text = f"{share(waiting / arrived)} of its requests still in flight at the end, more and more of them"
                yield doubt("overload", text, platform, name, in_flight=waiting / arrived)


def not_settled(evidence: Evidence) -> Iterator[Doubt]:
    """The number in flight rises or falls over the second half of the span, in every replication."""
    for platform in evidence.platforms:
        halves = [_second_half(evidence, run.timeline) for run in evidence.of(platform)]
        if halves and abs(sum(_moves(*half) for half in halves)) == len(halves):
            begin, end = (float(np.mean([half[1][part] for half in halves])) for part in (0, -1))
            text = f"requests in flight went from {begin:.3g} to {end:.3g} over the second half of the run"
            yield doubt("not-settled", text, platform, begin=begin, end=end)


def _second_half(evidence: Evidence, line: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Batch means of the number in flight over the second half of the span: all of them, and first and last quarter."""
    time, flying = floats(line["time"]), floats(line["in_flight"])
    late = flying[time >= evidence.warmup + evidence.span / 2]
    if len(late) < BATCHES:
        return np.zeros(0), np.zeros(2)
    means = np.array([batch.mean() for batch in np.array_split(late, BATCHES)])
    quarter = BATCHES // 4
    return means, np.array([means[:quarter].mean(), means[-quarter:].mean()])


def _moves(means: NDArray[np.float64], ends: NDArray[np.float64]) -> int:
    """Mann-Kendall's test (Mann 1945) for a trend of a size that matters, by half and by one request: 1, -1 or 0."""
    n = len(means)
    if n == 0 or abs(ends[1] - ends[0]) < max(1.0, 0.5 * min(ends)):
        return 0
    score = float(sum(np.sign(means[i + 1 :] - means[i]).sum() for i in range(n - 1)))
    deviation = (n * (n - 1) * (2 * n + 5) / 18) ** 0.5
    return int(np.sign(score)) if (abs(score) - 1) / deviation > NormalDist().inv_cdf(MOVES) else 0


def few_samples(evidence: Evidence) -> Iterator[Doubt]:
    """Too few requests behind a percentile that is shown, or that an objective is set on."""
    for tail, quantile in TAILS.items():
        thin: dict[str, float] = {}
        where: set[str] = set()
        for platform in evidence.platforms:
            for service in (ALL, *evidence.services):
                count = evidence.total(platform, "requests.completed", service)
                if (
                    count < enough(quantile)
                    and tail in _asked(evidence, service)
                    and (service != ALL or evidence.values(platform, "response.p50"))
                ):
                    thin[service] = min(count, thin.get(service, count))
                    where.add(platform)
        if thin:
            least = min(thin.values())
            told = "" if ALL in thin else f" of {_some(list(thin))}"
            text = f"{_words(tail)}{told} is of {least:,.0f} requests; {enough(quantile):,.0f} would do"
            who = "" if len(where) == len(evidence.platforms) else ", ".join(sorted(where))
            yield doubt("few-samples", text, who, requests=least, percentile=quantile, services=list(thin))


def enough(quantile: float) -> float:
    """Requests from which on a percentile is worth comparing: 100 beyond it."""
    return round(100 / (1 - quantile))


def _asked(evidence: Evidence, service: str) -> list[str]:
    if service == ALL:
        return list(_SHOWN)
    slo = evidence.services[service].slo
    return [name for name in TAILS if slo is not None and getattr(slo, name) is not None]


def _words(tail: str) -> str:
    return "p99.9" if tail == "p999" else tail


def _some(names: list[str]) -> str:
    return ", ".join(names) if len(names) < 4 else f"{', '.join(names[:2])} and {len(names) - 2} more"


def many_tests(evidence: Evidence) -> Iterator[Doubt]:
    """The SLO of each tenant is a test of its own: the chance of a false alarm, and what is left after Holm."""
    for name, full in evidence.tenants.items():
        if len(full) < 2 or evidence.scenario.services[name].slo is None:
            continue
        alone, left = {}, {}
        tests, risk = len(full), 1 - LEVEL
        for platform in evidence.platforms:
            found = by_run(run.missing for run in evidence.of(platform))
            chances = {key: chance_above(*each) for key, each in found.items() if key[0] in full}
            tests = max(tests, len(chances))
            alone[platform] = len(
                {tenant for (tenant, _), each in chances.items() if each is not None and each <= risk}
            )
            missed = zip(chances, holm(list(chances.values())), strict=True)
            left[platform] = len({tenant for (tenant, _), one in missed if one})
        chance = 1 - LEVEL**tests
        text = (
            f"the SLO is judged for {len(full)} tenants one by one: of {tests} tests at {100 * LEVEL:g} % one fails by "
            f"chance {100 * chance:.0f} % of the time, {100 * risk:.0f} % with Holm's correction"
        )
        if min((len(list(evidence.of(platform))) for platform in evidence.platforms), default=0) >= FEWEST:
            told = ", ".join(
                f"{each} {left[each]}" + (f" ({alone[each]} without)" if alone[each] != left[each] else "")
                for each in evidence.platforms
            )
            text += f"; with it, tenants that miss theirs: {told}"
        yield doubt(
            "many-tests", text, service=name, tenants=len(full), tests=tests, chance=chance, corrected=risk,
            missed=left, missed_alone=alone,
        )  # fmt: skip
