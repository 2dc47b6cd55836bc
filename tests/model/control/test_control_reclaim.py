"""Balloons and merged pages on a real host of 8 GiB, with guests by hand: each is promised 4 GiB and uses 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from model.small_world import GIB, FakeFleet, Told, platform, service, share, small_world
from sim.model.control.reclaim import Reclaim
from sim.model.guests.guest import Guest, Recipe
from sim.model.host.machine import Host

BALLOON = {"memory": {"reclaim": "balloon", "balloon_limit": 0.5, "host": "1GiB"}}
KSM = {"memory": {"sharing": "ksm", "ksm_share": 0.5, "guest_os": "0.5GiB", "guest_kernel": {"fixed": "0.25GiB"}}}


class Hand:
    def __init__(self, changes: Mapping[str, Any], per_request: str = "0B") -> None:
        memory = f"{{base: 1GiB, per_request: {per_request}}}"
        chosen = platform("vm", changes=changes)
        self.world = small_world(service(memory=memory, replicas=0), on=chosen, extra="memory_overcommit: 2")
        self.told, self.host = Told(self.world), Host(self.world)
        self.fleet: Any = FakeFleet()
        self.reclaim = Reclaim(self.world, self.fleet, self.host)
        self.world.plane.add_service(concurrency=9)
        self.spec = self.world.scenario.services["app"]

    def guest(self, name: str = "app", ram: float = 4.0) -> Guest:
        """One that has been admitted."""
        image = self.spec.image_on(["container"])
        assert image is not None
        recipe = Recipe(
            name, 0, self.spec, self.world.platform, image, [(name, 1.0)], 0.0, {}, np.random.default_rng(1)
        )
        slot = self.world.plane.add_guest(0, 1.0, 1.0)
        guest = Guest(self.world, recipe, len(self.fleet.guests), slot, self.host, share(1.0, ram * GIB, ram=ram * GIB))
        self.fleet.guests.append(guest)
        self.host.hold(guest.share, 0.0, 0)
        self.world.signals.guest_requested.fire(guest)
        return guest

    def ready(self, guest: Guest) -> None:
        guest.serves()
        self.world.signals.guest_ready.fire(guest)

    def balloons(self) -> list[float]:
        return [guest.balloon / GIB for guest in self.fleet.guests]


def test_balloons_share_what_is_short_by_what_each_can_take() -> None:
    hand = Hand(BALLOON)
    first, second = hand.guest(), hand.guest(ram=3.0)
    assert hand.balloons() == [0.0, 0.0]
    for each in (first, second):
        hand.ready(each)  # 7 GiB are promised, 7 are there
    assert hand.balloons() == [0.0, 0.0]
    hand.guest(ram=1.75)  # 1.75 are short; 2 and 1.5 can be taken (half of the RAM)
    assert hand.balloons() == [1.0, 0.75, 0.0]
    assert hand.host.ballooned == 1.75 * GIB
    assert hand.host.memory_allocated == 7 * GIB
    assert hand.told.times("room-freed") == [0.0, 0.0]  # each that is ready makes room, perhaps


def test_what_an_application_uses_is_not_taken() -> None:
    hand = Hand(BALLOON)
    small = hand.guest(ram=1.5)  # 1 GiB is the application's
    hand.ready(small)
    hand.guest(ram=6.0)
    assert hand.balloons() == [0.5, 0.0]
    assert hand.host.ballooned == 0.5 * GIB


def test_admission_asks_whether_balloons_can_make_the_room() -> None:
    hand = Hand(BALLOON)
    hand.ready(hand.guest())
    hand.ready(hand.guest())  # 1 GiB is short; two rooms of 2
    fits, too_much = share(1.0, 3 * GIB), share(1.0, 3.01 * GIB)
    assert hand.host.place(fits, 0.0, []) is hand.host
    assert hand.host.place(too_much, 0.0, []) == "memory: 4.01 GiB short, balloons can take back 4.00 GiB"
    assert hand.host.place(share(1.0, 0.0), 0.0, []) is hand.host  # who asks for nothing is not refused


def test_one_that_stops_gives_back_its_balloon_and_the_others_theirs() -> None:
    hand = Hand(BALLOON)
    guests = [hand.guest(), hand.guest()]
    for guest in guests:
        hand.ready(guest)
    assert hand.balloons() == [0.5, 0.5]
    gone = hand.fleet.guests.pop(0)
    hand.host.give_back(gone.share, 0.0, 0)
    hand.world.signals.memory_returned.fire(gone)
    assert (gone.balloon, hand.balloons(), hand.host.ballooned) == (0.0, [0.0], 0.0)


def test_one_that_has_fallen_has_no_room_and_the_other_takes_it_over() -> None:
    hand = Hand(BALLOON)
    fallen, other = hand.guest(), hand.guest()
    for guest in (fallen, other):
        hand.ready(guest)
    fallen.falls()
    hand.world.signals.memory_returned.fire(fallen)
    assert hand.balloons() == [0.0, 1.0]
    assert hand.host.ballooned == GIB


def test_a_guest_is_relieved_as_far_as_the_others_can_take_over() -> None:
    hand = Hand(BALLOON, per_request="1GiB")
    needy, other = hand.guest(), hand.guest()
    for guest in (needy, other):
        hand.ready(guest)
    hand.guest(ram=2.0)  # 3 GiB short: 1.5 each
    assert hand.balloons() == [1.5, 1.5, 0.0]
    assert needy.most == 1  # 4 - 1.5 - 1 GiB
    serving = hand.world.plane.serving()
    serving[needy.slot] = 2
    assert hand.reclaim.relieved(needy)
    assert hand.balloons() == [1.0, 2.0, 0.0]
    serving[needy.slot] = 4  # more than its RAM carries
    assert not hand.reclaim.relieved(needy)
    assert not hand.reclaim.relieved(hand.fleet.guests[2])  # it has no balloon


def test_equal_pages_are_saved_for_all_but_one_of_each_image() -> None:
    hand = Hand(KSM)
    each = 0.5 * (0.5 + 0.25) * GIB
    guests = [hand.guest(), hand.guest(), hand.guest(), hand.guest("other")]
    saved = []
    for guest in guests:
        hand.ready(guest)
        saved.append(hand.reclaim.merged / each)
    assert saved == [0.0, 1.0, 2.0, 2.0]
    assert hand.world.plane.memory_used == -2 * each
    hand.ready(guests[0])  # after a restart: it is merged already
    for guest in guests:
        hand.world.signals.memory_returned.fire(guest)
        saved.append(hand.reclaim.merged / each)
    assert saved[4:] == [1.0, 0.0, 0.0, 0.0]
    assert hand.world.plane.memory_used == 0.0
    hand.world.signals.memory_returned.fire(guests[0])  # twice
    assert hand.reclaim.merged == 0.0


@pytest.mark.parametrize("kind", ["vm", "container"])
def test_nothing_happens_where_the_platform_does_not_ask_for_it(kind: str) -> None:
    hand = Hand({} if kind == "vm" else {"allocation": "used", **BALLOON})
    hand.ready(hand.guest(ram=8.0))
    hand.ready(hand.guest(ram=8.0))
    assert hand.balloons() == [0.0, 0.0]
    assert hand.reclaim.merged == 0.0
    assert hand.host.admission == []
