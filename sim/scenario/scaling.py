"""How a service gets its number of replicas: a rule that scales it, a number, or a ramp."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field

from sim import registry
from sim.reading.errors import Finding, Refused, nearest, show
from sim.reading.fields import Collector, Human, Info, Strict, count, quantity, whole
from sim.scenario.registered import Registered, spec_of, unknown_name

Duration = Annotated[float, quantity("duration", above=0)]


class _Bounds(Strict):
    @classmethod
    def cross(cls, values: Mapping[str, Any], raw: Mapping[str, Any]) -> list[Finding]:
        """The least number of replicas is at most the greatest."""
        low, high = values.get("min"), values.get("max")
        if low is None or high is None or low <= high:
            return []
        return [Finding(("min",), f"{low}, more than max {high}", "min at most max")]


class Hpa(_Bounds):
    """Kubernetes' HorizontalPodAutoscaler: desired = ⌈replicas × usage / target⌉.

    The defaults are those of kube-controller-manager
    (https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/).
    """

    rule: Literal["hpa"] = Field(description="the rule")
    min: Annotated[int, count(1)] = Field(1, description="fewest replicas")
    max: Annotated[int, count(1)] = Field(description="most replicas")
    target_cpu: Annotated[float, quantity("ratio", above=0, most=10)] = Field(
        description="CPU used / CPU requested to aim at, such as 60%"
    )
    sync: Duration = Field(15.0, description="time between decisions")
    metric_delay: Annotated[float, quantity("duration", least=0)] = Field(
        0.0, description="how old its metric is: 15s to 60s with metrics-server; 0 when left out"
    )
    tolerance: Annotated[float, quantity("ratio", least=0, most=1)] = Field(
        0.1, description="no change while usage / target is this close to 1"
    )
    stabilization: Annotated[float, quantity("duration", least=0)] = Field(
        300.0, description="scale down to the highest desire of this past"
    )
    up_pods: Annotated[int, count(0)] = Field(4, description="replicas that may be added at a sync, at least")
    up_ratio: Annotated[float, quantity("ratio", least=0, most=100)] = Field(
        1.0, description="share of the replicas that may be added at a sync, at least"
    )
    up_period: Annotated[float, quantity("duration", least=0)] = Field(
        0.0, description="span that up_pods and up_ratio are of (periodSeconds); one sync when left out"
    )


class Concurrency(_Bounds):
    """Knative's rule: as many replicas as keep the mean concurrency at the target.

    The defaults are Knative's stable window and tick (https://knative.dev/docs/serving/autoscaling/).
    """

    rule: Literal["concurrency"] = Field(description="the rule")
    target: Annotated[float, quantity("number", above=0)] = Field(description="requests in service for each replica")
    min: Annotated[int, count(0)] = Field(0, description="fewest replicas; 0 scales to zero")
    max: Annotated[int, count(1)] = Field(description="most replicas")
    window: Duration = Field(60.0, description="span over which concurrency is averaged")
    sync: Duration = Field(2.0, description="time between decisions")


class PerRequest(Strict):
    """The serverless rule: a new guest whenever none is idle; an idle one is kept for `keep_alive` seconds."""

    rule: Literal["per-request"] = Field(description="the rule")
    keep_alive: Annotated[float, quantity("duration", least=0)] = Field(description="how long an idle guest stays")
    max: Annotated[int, count(1)] = Field(description="most replicas")


class Rule(_Bounds):
    """What every rule of another package has (see `sim.registry`); its own numbers are further fields."""

    rule: str = Field(description="the rule")
    min: Annotated[int, count(0)] = Field(1, description="fewest replicas, and those of the start")
    max: Annotated[int, count(1)] = Field(description="most replicas")
    sync: Duration = Field(15.0, description="time between decisions")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by its name: a worker process may know the class from a script only."""
        return registry.restored, ("autoscalers", self.rule, self.__getstate__())


class Ramp(Strict):
    """Replicas added until the host refuses or there are `max`: `add` of them every `every` seconds."""

    add: Annotated[int, count(1)] = Field(1, description="replicas added at once")
    every: Duration = Field(description="time between additions, such as 2s")
    max: Annotated[int | None, count(1, optional=True)] = Field(None, description="most replicas; no bound if left out")


for _name, _rule in {"hpa": Hpa, "concurrency": Concurrency, "per-request": PerRequest}.items():
    registry.builtin("autoscalers", _name, spec=_rule)


def _parse_autoscale(value: Any, info: Info) -> Strict | None:
    if value is None:
        return None
    rules = ", ".join(registry.names("autoscalers"))
    if not isinstance(value, Mapping):
        raise Refused([Finding((), show(value), f"a mapping with rule: {rules}")])
    rule = value.get("rule")
    if rule not in registry.names("autoscalers"):
        findings = [unknown_name("autoscalers", rule, "rule")]
        if "rule" not in value and (misspelt := nearest("rule", [str(key) for key in value])) is not None:
            findings = [Finding((misspelt,), "an unknown key", f"rule: {rules}", "rule", True)]
        raise Refused(findings)
    collect = Collector(info)
    model = collect.call(partial(spec_of, "autoscalers"), rule, "rule")
    read = None if model is None else collect.model(model, value)
    collect.done()
    return read


def _parse_replicas(value: Any, info: Info) -> int | Ramp | None:
    if isinstance(value, Mapping):
        collect = Collector(info)
        ramp = collect.model(Ramp, value)
        collect.done()
        return ramp
    if value is None:
        return None
    try:
        return whole(value, 0)
    except ValueError:
        allowed = "a whole number, at least 0, or {add: 1, every: 2s}"
        raise Refused([Finding((), show(value), allowed)]) from None


def _or_null(inner: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [*inner.get("anyOf", [inner])]}


Autoscale = Annotated[
    Annotated[Hpa | Concurrency | PerRequest | Rule, Registered("autoscalers", "rule")] | None,
    Human(_parse_autoscale, _or_null),
]
Replicas = Annotated[int | Ramp | None, Human(_parse_replicas, _or_null)]
