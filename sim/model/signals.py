"""What has happened, told to whoever wants to know: synchronously, in the order of subscription.

What tells knows nothing of who listens (the habit of SimGrid's `xbt/signal.hpp`): a guest is started and stopped
without a thought of records, waiting starts or balloons, and each of these is a file that subscribes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, ParamSpec

P = ParamSpec("P")
Subject = Any  # a guest or a service: things of rooms above, which listeners know and this page does not


class Signal(Generic[P]):
    """One kind of thing that happens.

    >>> told = []
    >>> ready = Signal()
    >>> ready.connect(told.append)
    >>> ready.fire("shop-0")
    >>> told
    ['shop-0']
    """

    __slots__ = ("_listeners",)

    def __init__(self) -> None:
        self._listeners: list[Callable[P, None]] = []

    def connect(self, listener: Callable[P, None]) -> None:
        """Call `listener` each time, behind those that are there already."""
        self._listeners.append(listener)

    def fire(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """It has happened: every listener has been called when this returns."""
        for listener in self._listeners:
            listener(*args, **kwargs)


class Signals:
    """All that happens on one host. A guest is a replica of a service; texts are for people, nothing hangs on them."""

    def __init__(self) -> None:
        self.guest_requested: Signal[[Subject]] = Signal()  # admitted: it exists from now on
        self.guest_kept: Signal[[Subject]] = Signal()  # up, and no replica yet: a scale-up may take it
        self.guest_ready: Signal[[Subject]] = Signal()  # it serves, for the first time or again
        self.guest_fell: Signal[[Subject, str, str]] = Signal()  # guest, event, detail: what it held fails
        self.guest_resized: Signal[[Subject]] = Signal()  # it has another share
        self.guest_moved: Signal[[Subject]] = Signal()  # off this host, and goes on elsewhere
        self.guest_stopped: Signal[[Subject]] = Signal()  # gone: all that it held is given back
        self.memory_returned: Signal[[Subject]] = Signal()  # its process's memory is free again
        self.vm_requested: Signal[[str]] = Signal()  # name: a VM that is to hold guests
        self.start_refused: Signal[[str, str, bool]] = Signal()  # service, why, whether the host was down
        self.room_freed: Signal[[]] = Signal()  # what waits for admission may be tried again
        self.scaled: Signal[[Subject, int, int]] = Signal()  # service, replicas wanted before and from now on
        self.memory_ran_out: Signal[[]] = Signal()  # of the host, or of a VM that holds guests
        self.oom_kill: Signal[[]] = Signal()  # one process is killed for memory
        self.requests_ended: Signal[[Any]] = Signal()  # rows of `engine.layout.out_dtype`, in the order of their end
        self.note: Signal[[Subject | None, str, str]] = Signal()  # guest or None, event, detail: anything else
