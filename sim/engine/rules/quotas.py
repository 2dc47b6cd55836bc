"""The rule of limits by period: a budget, its end, standing still (docs/model.md, Limits by period)."""

from __future__ import annotations

from math import floor

from sim.engine.arrays import Arrays
from sim.engine.compiling.jit import hot, inline
from sim.engine.layout import TINY, word
from sim.engine.rules.heaps import alarm_push


@inline
def begin_periods(a: Arrays, guest: int, t: float) -> None:
    """A guest with a quota has something to do: its periods count from now on, and those that passed have refilled."""
    quota_row = a.quotas[guest]
    n = floor((t - quota_row["phase"]) / quota_row["period"])
    if n > quota_row["last"]:
        saved = quota_row["left"] + (n - quota_row["last"]) * quota_row["budget"]
        quota_row["left"] = min(quota_row["budget"] + quota_row["burst"], saved)
        quota_row["last"] = n
        quota_row["used"] = 0
    push_end(a, guest)


@inline
def push_end(a: Arrays, guest: int) -> None:
    """The end of the guest's present period is an event."""
    quota_row = a.quotas[guest]
    state = a.state[0]
    at = quota_row["phase"] + (quota_row["last"] + 1) * quota_row["period"]
    uid = word(a.guests[guest]["uid"])
    alarm_push(a.ends, word(state["ends"]), at, uid, guest, uid, word(0))
    state["ends"] += 1
    quota_row["timer"] = 1


@inline
def stand_still(a: Arrays, guest: int, t: float) -> None:
    """The budget is used up at `t`: the guest is given nothing until its period ends. Placing is the caller's."""
    quota_row = a.quotas[guest]
    quota_row["left"] = 0.0
    quota_row["still"] = 1
    quota_row["since"] = t
    quota_row["mark"] = t


@inline
def book_stillness(a: Arrays, guest: int, t: float) -> None:
    """Book the time that the guest has stood still up to `t`."""
    quota_row = a.quotas[guest]
    if quota_row["still"]:
        a.services[a.guests[guest]["service"]]["still_time"] += t - quota_row["mark"]
        quota_row["mark"] = t


@hot
def go_on(a: Arrays, guest: int, t: float) -> None:
    """The guest stands still no longer."""
    book_stillness(a, guest, t)
    a.quotas[guest]["still"] = 0


@inline
def refill(a: Arrays, guest: int, t: float) -> None:
    """A period of the guest, which has been brought up to `t`, ends: count it, and fill the budget."""
    guest_row = a.guests[guest]
    quota_row = a.quotas[guest]
    service_row = a.services[guest_row["service"]]
    quota_row["timer"] = 0
    quota_row["last"] += 1
    service_row["periods"] += 1
    if quota_row["still"] and t - quota_row["since"] > TINY:
        service_row["still_periods"] += 1
    left = max(quota_row["left"], 0.0) + quota_row["budget"]
    quota_row["left"] = min(quota_row["budget"] + quota_row["burst"], left)
    go_on(a, guest, t)
    if quota_row["used"] or guest_row["busy"] > 0:
        quota_row["used"] = 0
        push_end(a, guest)


@inline
def new_budget(a: Arrays, guest: int, t: float, budget: float, burst: float) -> None:
    """A guest that has been brought up to `t` has a limit of `budget` core-s a period (0: none), all of it unused.

    Its period and phase are in its row.
    """
    quota_row = a.quotas[guest]
    go_on(a, guest, t)
    quota_row["budget"] = budget
    quota_row["burst"] = burst
    quota_row["left"] = budget
    quota_row["first"] = 0
    a.guests[guest]["limited"] = budget > 0.0
    if budget > 0.0 and not quota_row["timer"]:
        quota_row["last"] = floor((t - quota_row["phase"]) / quota_row["period"])
