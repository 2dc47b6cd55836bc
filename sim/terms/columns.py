"""Names and kinds of every table's columns, and the words that stand in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

TEXT: Final = "text"
NUMBER: Final = "number"
COUNT: Final = "count"
NAME: Final = "name"
"""Text that repeats, kept as numbers into a list of names."""

STATUSES: Final = ("completed", "rejected", "timed-out", "failed", "in-flight")
"""What can become of a request, in the order of the data plane's codes."""
Routing: TypeAlias = Literal["random", "round-robin", "least-outstanding", "power-of-two"]
"""How a request finds its guest."""
ROUTING: Final[tuple[str, ...]] = get_args(Routing)

KEY: Final = {"platform": TEXT, "replication": COUNT}
"""The columns in front of every table."""
GUESTS: Final = KEY | {
    "service": TEXT, "guest": TEXT, "requested": NUMBER, "ready": NUMBER, "stopped": NUMBER, "stop_reason": TEXT,
}  # fmt: skip
PHASE: Final = "startup_"
"""What the name of a guest's phase has in front, as a column (s)."""


class Moment(NamedTuple):
    """The host at samples of the timeline between which only the data plane changed: what columns are taken from.

    What has changed between them is an array, a number a sample.
    """

    at: Any
    """s"""
    guests: int
    """On the host."""
    cpu_used: Any
    """Cores, mean since the previous sample."""
    memory_cache: Any
    """Bytes of the page cache."""
    throttled: Any
    """Guests that stood still for want of budget, mean since the previous sample."""
    host: Any
    """The machine, `sim.model.host.machine.Host`."""
    now: Any
    """What is used now, and totals up to now: `sim.engine.plane.Totals`."""
    before: Any
    """The same, one sample ago."""


@dataclass(frozen=True)
class StateColumn:
    """A column of the timeline, whole: add one to `STATE` and it is sampled, written and drawn."""

    name: str
    unit: str
    """s, cores, B or 1."""
    get: Callable[[Moment], Any]
    """A number, or an array of them, a number a sample."""


def _since(what: str, moment: Moment) -> Any:
    return getattr(moment.now, what) - getattr(moment.before, what)


STATE: Final = (
    StateColumn("time", "s", attrgetter("at")),
    StateColumn("guests", "1", attrgetter("guests")),
    StateColumn("ready", "1", attrgetter("now.ready")),
    StateColumn("cpu_used", "cores", attrgetter("cpu_used")),
    StateColumn("cpu_allocated", "cores", attrgetter("host.cpu_held")),
    StateColumn("cpu_capacity", "cores", attrgetter("host.cores")),
    StateColumn("memory_used", "B", attrgetter("now.memory")),
    StateColumn("memory_allocated", "B", attrgetter("host.memory_allocated")),
    StateColumn("memory_capacity", "B", attrgetter("host.memory")),
    StateColumn("in_flight", "1", attrgetter("now.in_flight")),
    StateColumn("arrivals", "1", partial(_since, "arrived")),
    StateColumn("completed", "1", partial(_since, "completed")),
    StateColumn("memory_cache", "B", attrgetter("memory_cache")),
    StateColumn("throttled", "1", attrgetter("throttled")),
)
STATE_UNITS: Final = {column.name: column.unit for column in STATE}
TIMELINE: Final = KEY | dict.fromkeys(STATE_UNITS, NUMBER)
EVENTS: Final = KEY | {"time": NUMBER, "guest": TEXT, "event": TEXT, "detail": TEXT}
NO_FALL: Final = frozenset({
    "requested", "ready", "warm", "taken", "stopped", "moved", "resized", "resize-refused", "move-refused",
    "move-not-converging", "move-aborted", "compromised", "exposed",
})  # fmt: skip
"""Events of a guest that do not mean that it fell: others do, and are called by what felled it."""
REQUESTS: Final = {
    "platform": NAME, "replication": COUNT, "service": NAME, "request": COUNT, "arrival": NUMBER, "demand": NUMBER,
    "guest": NAME, "start": NUMBER, "finish": NUMBER, "status": NAME,
}  # fmt: skip
RESPONSE: Final = KEY | {"service": TEXT, "probability": NUMBER, "seconds": NUMBER}
TABLES: Final = {"guests": GUESTS, "timeline": TIMELINE, "events": EVENTS, "response": RESPONSE}
"""What every run leaves, beside its metrics."""
