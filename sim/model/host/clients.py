"""Clients of a host that limit their own rate of requests, as a kubelet does towards its API server."""

from __future__ import annotations

from math import inf

from sim.engine.environment import HybridEnvironment


class Client:
    """A token bucket: `rate` requests a second, and `burst` at once when none was made for a while."""

    def __init__(self, env: HybridEnvironment) -> None:
        self._env = env
        self._next = -inf  # when the next request is due, one after the other

    def reserve(self, calls: int, rate: float, burst: int) -> float:
        """Take the next `calls` turns; seconds from now until the last of them (0 where the bucket has enough)."""
        if rate <= 0.0:
            return 0.0
        now = self._env.now
        self._next = max(self._next, now - (burst - 1) / rate)
        ahead = self._next + (calls - 1) / rate - now
        self._next += calls / rate
        return max(ahead, 0.0)
