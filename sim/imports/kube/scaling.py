"""HorizontalPodAutoscalers (v1, v2) as the rule `hpa`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from sim.imports.draft import Part
from sim.imports.kube.files import Manifest
from sim.imports.kube.quantities import quantity
from sim.imports.trees import below, mappings
from sim.reading.errors import Finding, Loc, show

_DOWN: Final = [{"type": "Percent", "value": 100, "periodSeconds": 15}]  # Kubernetes' default
_MOST: Final = 10.0  # target_cpu of a scenario, at most


@dataclass
class Scaling:
    """Fields of `autoscale`, in a scenario's words; what has none (`lost`), and mistakes."""

    fields: dict[str, str] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def scaling_of(manifest: Manifest, part: Part) -> Scaling:
    """The autoscaler of a part. `fields` is empty where it has no target that a scenario can have."""
    found = Scaling()
    loc = (*manifest.loc, "spec")
    spec = manifest.spec
    least, most = spec.get("minReplicas"), spec.get("maxReplicas")
    least = 1 if least is None else least
    if not isinstance(most, int) or most < 1:
        found.findings.append(Finding((*loc, "maxReplicas"), show(most), "a whole number, at least 1"))
    elif not isinstance(least, int) or not 0 <= least <= most:
        found.findings.append(
            Finding((*loc, "minReplicas"), show(least), f"a whole number from 0 to maxReplicas, {most}")
        )
    if found.findings:
        return found
    if least == 0:
        found.lost.append("minReplicas: 0 (one is the least)")
    target = _target(spec, loc, part, found)
    if target is None:
        return found
    found.fields = {"rule": "hpa", "min": str(max(1, least)), "max": str(most), "target_cpu": f"{100 * target:.6g}%"}
    behavior = below(spec, "behavior")
    for way in ("scaleUp", "scaleDown"):
        found.findings += _policies(below(behavior, way), (*loc, "behavior", way))
    if found.findings:
        return found
    found.fields |= dict(_up(below(behavior, "scaleUp"), found))
    found.fields |= dict(_down(below(behavior, "scaleDown"), found))
    return found


def _target(spec: dict[str, Any], loc: Loc, part: Part, found: Scaling) -> float | None:
    """CPU used / requested that is aimed at: of `targetCPUUtilizationPercentage`, or the metric of CPU."""
    targets: list[float] = []
    if (percent := spec.get("targetCPUUtilizationPercentage")) is not None:
        targets += _ratio(percent, (*loc, "targetCPUUtilizationPercentage"), found)
    given = spec.get("metrics")
    for index, metric in enumerate(given if isinstance(given, list) else []):
        targets += _metric(metric, (*loc, "metrics", index), part, found)
    if not targets and not spec.get("metrics") and not found.findings:
        targets.append(0.8)  # the API's own default
        found.lost.append("no metric is named: 80 % of the CPU request is Kubernetes' default")
    if targets and part.amounts.cpu is None:
        found.lost.append("its pods have no CPU request, so its target means nothing and it never scales")
        return None
    if targets and targets[0] > _MOST:
        found.lost.append(f"a target of {100 * targets[0]:.0f} % of the CPU request is never met")
        return None
    return targets[0] if targets else None


def _metric(metric: Any, loc: Loc, part: Part, found: Scaling) -> list[float]:
    kind = str(metric.get("type")) if isinstance(metric, dict) else ""
    inner_key = {"Resource": "resource", "ContainerResource": "containerResource"}.get(kind)
    inner = metric.get(inner_key) if inner_key and isinstance(metric, dict) else None
    if not isinstance(inner, dict) or inner.get("name") != "cpu":
        about = inner.get("name") if isinstance(inner, dict) else None
        found.lost.append(f"its metric of {about or kind or 'unknown kind'}")
        return []
    if kind == "ContainerResource":
        found.lost.append(
            f"its target is of the CPU of container {inner.get('container')} alone; here of the whole pod"
        )
    where = (*loc, inner_key or "")
    target = below(inner, "target")
    percent = target.get("averageUtilization", inner.get("targetAverageUtilization"))
    if percent is not None:
        return _ratio(percent, (*where, "target", "averageUtilization"), found)
    value = target.get("averageValue", inner.get("targetAverageValue"))
    try:
        cores = quantity(value)
    except ValueError as wrong:
        found.findings.append(
            Finding((*where, "target"), show(target or None), f"averageUtilization, or averageValue: {wrong}")
        )
        return []
    return [cores / part.amounts.cpu] if part.amounts.cpu and cores else [1.0]


def _ratio(percent: Any, loc: Loc, found: Scaling) -> list[float]:
    if not isinstance(percent, int) or isinstance(percent, bool) or percent < 1:
        found.findings.append(Finding(loc, show(percent), "a whole number of percent, at least 1"))
        return []
    return [percent / 100.0]


def _policies(rules: dict[str, Any], loc: Loc) -> Iterator[Finding]:
    """Policies as the API would refuse them."""
    window = rules.get("stabilizationWindowSeconds")
    if window is not None and not 0 <= window <= 3600:
        yield Finding((*loc, "stabilizationWindowSeconds"), show(window), "seconds, 0 to 3600")
    for index, each in enumerate(mappings(rules, "policies")):
        where = (*loc, "policies", index)
        if each.get("type") not in ("Pods", "Percent"):
            yield Finding((*where, "type"), show(each.get("type")), "Pods or Percent")
        for key, most in (("value", 2**31), ("periodSeconds", 1800)):
            if not 0 < (each.get(key) or 0) <= most:
                yield Finding((*where, key), show(each.get(key)), f"a whole number from 1 to {most}")


def _up(rules: dict[str, Any], found: Scaling) -> Iterator[tuple[str, str]]:
    """`up_pods`, `up_ratio` and their period; the larger of them holds."""
    if rules.get("stabilizationWindowSeconds"):
        found.lost.append(f"scaleUp.stabilizationWindowSeconds: {rules['stabilizationWindowSeconds']}")
    if rules.get("tolerance") is not None:
        found.lost.append("scaleUp.tolerance")
    if rules.get("selectPolicy") == "Disabled":
        yield from (("up_pods", "0"), ("up_ratio", "0%"))
        return
    policies = mappings(rules, "policies")
    if not policies:
        return
    if rules.get("selectPolicy") == "Min" and len(policies) > 1:
        slow = min(policies, key=lambda each: (each.get("value", 0)) / max(1, each.get("periodSeconds", 15)))
        found.lost.append(
            f"scaleUp.selectPolicy: Min (of its policies only {slow.get('type')} {slow.get('value')} is here)"
        )
        policies = [slow]
    periods = {int(each.get("periodSeconds") or 15) for each in policies}
    if len(periods) > 1:
        found.lost.append(f"scaleUp: its policies have several periods ({', '.join(map(str, sorted(periods)))} s), "
                          f"here {min(periods)} s")  # fmt: skip
    pods = [int(each.get("value") or 0) for each in policies if each.get("type") == "Pods"]
    shares = [int(each.get("value") or 0) for each in policies if each.get("type") == "Percent"]
    yield "up_pods", str(max(pods, default=0))
    yield "up_ratio", f"{min(max(shares, default=0), 10_000)}%"  # a scenario's most
    yield "up_period", f"{min(periods)}s"


def _down(rules: dict[str, Any], found: Scaling) -> Iterator[tuple[str, str]]:
    window = rules.get("stabilizationWindowSeconds")
    if isinstance(window, int) and not isinstance(window, bool) and window >= 0:
        yield "stabilization", f"{window}s"
    if rules.get("selectPolicy") == "Disabled":
        found.lost.append("scaleDown.selectPolicy: Disabled (it shrinks here)")
    elif (rules.get("policies") or _DOWN) != _DOWN:
        told = ", ".join(f"{each.get('value')} {each.get('type')} in {each.get('periodSeconds')} s"
                         for each in mappings(rules, "policies"))  # fmt: skip
        found.lost.append(f"scaleDown.policies: {told} (it shrinks at once here, after the window)")
    if rules.get("tolerance") is not None:
        found.lost.append("scaleDown.tolerance")
