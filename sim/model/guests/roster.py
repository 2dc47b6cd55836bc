"""The replicas of one service: those that count, and all that are there."""

from __future__ import annotations

from sim.model.guests.guest import READY, Guest


class Roster:
    """`guests`: alive, by number. `here`: how many are on this host, also those that drain."""

    def __init__(self) -> None:
        self.guests: list[Guest] = []
        self.here = 0
        self._at: dict[int, Guest] = {}  # by slot of the data plane, also those that drain

    def enter(self, guest: Guest, *, extra: bool) -> None:
        """A replica exists; one that is `extra` does not count yet."""
        self._at[guest.slot] = guest
        self.here += guest.here
        if not extra:
            self.guests.append(guest)

    def count(self, guest: Guest) -> None:
        """A replica that was extra takes another one's place."""
        self.guests.append(guest)

    def retire(self, guest: Guest) -> None:
        """It does not count any longer, though it may still drain."""
        if guest in self.guests:
            self.guests.remove(guest)

    def moved(self, guest: Guest) -> None:
        """It is about to leave this host."""
        self.here -= guest.here

    def leave(self, guest: Guest) -> None:
        """It is gone."""
        self.retire(guest)
        del self._at[guest.slot]
        self.here -= guest.here

    def at(self, slot: int) -> Guest | None:
        """The replica at a slot of the data plane, if it is one of these."""
        return self._at.get(slot)

    def present(self) -> list[Guest]:
        """All replicas on the host, also those that drain."""
        return [guest for guest in self._at.values() if guest.here]

    def everywhere(self) -> list[Guest]:
        """All replicas, also those that have moved to another host."""
        return list(self._at.values())

    @property
    def ready_away(self) -> int:
        """Replicas that serve on another host now."""
        if self.here == len(self._at):
            return 0
        return sum(guest.state == READY for guest in self._at.values() if not guest.here)
