"""Names and kinds of every table's columns, and the words that stand in them."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

TEXT: Final = "text"
NUMBER: Final = "number"
COUNT: Final = "count"

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
STATE: Final = (
    "time", "guests", "ready", "cpu_used", "cpu_allocated", "cpu_capacity", "memory_used", "memory_allocated",
    "memory_capacity", "in_flight", "arrivals", "completed", "memory_cache",
)  # fmt: skip
TIMELINE: Final = KEY | dict.fromkeys(STATE, NUMBER)
EVENTS: Final = KEY | {"time": NUMBER, "guest": TEXT, "event": TEXT, "detail": TEXT}
RESPONSE: Final = KEY | {"service": TEXT, "probability": NUMBER, "seconds": NUMBER}
