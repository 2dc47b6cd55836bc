"""What a node's software allows and does: pods, processes, addresses, what it keeps for itself, its part of starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, cast

from pydantic import Field

from sim.reading.errors import Finding, Refused, nearest, show
from sim.reading.fields import Collector, Human, Info, Strict, count, flag, quantity

Limit = Annotated[int | None, count(1, optional=True)]


class Node(Strict):
    """Limits of a node; None: no limit. Reserved CPU (cores) and memory (bytes) are promised to no guest.

    `pids`: processes and threads of all guests; a replica takes its service's `pids`. `addresses`: one a guest.
    `kubelet`: starts go through a kubelet, whose part is the platform's `kubelet`.
    """

    pods: Limit = Field(None, description="most guests, such as 110")
    pids: Limit = Field(None, description="most processes and threads of all guests, such as 32768")
    addresses: Limit = Field(None, description="addresses to give to guests, one each, such as 254")
    cpu_reserved: Annotated[float, quantity("cpu", least=0)] = Field(
        0.0, description="cores that are promised to no guest (kube-reserved and system-reserved), such as 90m"
    )
    memory_reserved: Annotated[float, quantity("size", least=0)] = Field(
        0.0, description="memory that is promised to no guest (reserved, eviction threshold), such as 1565MiB"
    )
    kubelet: Annotated[bool, flag()] = Field(
        False, description="guests are pods of a kubelet, which does its part of each start (kubelet of the platform)"
    )


KUBERNETES: Final = Node.model_construct(
    pods=110,  # kubelet's maxPods (kubernetes.io, Considerations for large clusters)
    pids=None,
    addresses=254,  # a /24 a node, kube-controller-manager's node-cidr-mask-size, less network and bridge
    cpu_reserved=0.08,  # awslabs/amazon-eks-ami, 4 cores: 6 % of the first, 1 % of the second, 0.5 % of the next two
    memory_reserved=(11 * 110 + 255 + 100) * 2.0**20,  # the same: 11 MiB × maxPods + 255 MiB; 100 MiB memory.available
    kubelet=True,
)
"""What `node: kubernetes` means. CPU: 60m + 10m + 2 × 5m; more cores add 2.5m each, which is left out."""


def _parse(value: Any, info: Info) -> Node | None:
    if value is None:
        return None
    if value == "kubernetes":
        return KUBERNETES
    if not isinstance(value, Mapping):
        allowed = "kubernetes, or a mapping such as {pods: 110, pids: 32768, addresses: 254}"
        raise Refused([Finding((), show(value), allowed, nearest(value, ["kubernetes"]))])
    collect = Collector(info)
    node = collect.model(Node, value)
    collect.done()
    return cast(Node, node)


NodeLimits = Annotated[
    Node | None, Human(_parse, lambda inner: {"anyOf": [{"const": "kubernetes"}, *inner.get("anyOf", [inner])]})
]
