"""The waiting room alone: first refused, first tried again, also when a try frees room itself."""

from __future__ import annotations

from sim.model.guests.waiting import Again, Attempt, WaitingRoom


class Waiting:
    """Starts that wait, for room that is counted."""

    def __init__(self, room: int, **left: int) -> None:
        self.room, self.left = room, left
        self.started: list[str] = []
        self.place = WaitingRoom()
        self.tries = {name: self.again(name) for name in left}
        for again in self.tries.values():
            self.place.wait(again)

    def again(self, name: str) -> Again:
        def start() -> Attempt:
            if not (self.left[name] and self.room):
                return Attempt(False, self.left[name] > 0)
            self.room -= 1
            self.left[name] -= 1
            self.started.append(name)
            self.on_start(name)
            return Attempt(True, self.left[name] > 0)

        return start

    def on_start(self, name: str) -> None:
        """What a start sets off."""


def test_the_first_refused_is_the_first_to_be_tried_and_nobody_takes_all() -> None:
    waiting = Waiting(3, a=5, b=1, c=2)
    waiting.place.retry()
    assert waiting.started == ["a", "b", "c"]
    waiting.room = 3
    waiting.place.retry()
    assert waiting.started[3:] == ["a", "c", "a"]
    waiting.room = 9
    waiting.place.retry()
    assert waiting.started[6:] == ["a", "a"]


def test_who_does_not_fit_does_not_hold_up_the_next_and_keeps_its_turn() -> None:
    waiting = Waiting(0, a=1, b=1)
    waiting.place.retry()
    assert waiting.started == []
    waiting.place.wait(waiting.tries["a"])  # refused again: it waits already
    waiting.room = 2
    waiting.place.retry()
    assert waiting.started == ["a", "b"]


def test_who_has_nothing_waiting_any_more_is_not_tried_again() -> None:
    waiting = Waiting(1, a=1)
    waiting.place.retry()
    waiting.left["a"] = 1
    waiting.room = 1
    waiting.place.retry()
    assert waiting.started == ["a"]
    waiting.place.wait(waiting.tries["a"])
    waiting.place.retry()
    assert waiting.started == ["a", "a"]


def test_a_try_that_frees_room_may_try_all_again() -> None:
    """A VM that is ready lets balloons take memory, which is told while the waiting room is at work."""
    waiting = Waiting(1, a=2, b=1)
    freed = [1, 1]

    def frees(name: str) -> None:
        if freed:
            waiting.room += freed.pop()
            waiting.place.retry()

    waiting.on_start = frees
    waiting.place.retry()
    assert waiting.started == ["a", "a", "b"]
    assert waiting.left == {"a": 0, "b": 0}
    waiting.room, waiting.left["a"] = 5, 5
    waiting.place.retry()  # nobody waits
    assert waiting.started == ["a", "a", "b"]


def test_who_comes_to_wait_during_a_try_is_tried_the_next_time() -> None:
    waiting = Waiting(2, a=1)
    waiting.left["late"] = 1
    waiting.on_start = lambda name: waiting.place.wait(waiting.again("late")) if name == "a" else None
    waiting.place.retry()
    assert waiting.started == ["a"]
    waiting.place.retry()
    assert waiting.started == ["a", "late"]
