"""salabim: a Resource a guest (no contention), a server component a guest, and naive processor sharing.

Generator style (`yieldless` off) without monitors, statistics or trace: its fastest setting.
"""

import random
from collections import deque

import salabim as sim

from benchmarks.workload import Tally, Work, drive


def environment():
    sim.yieldless(False)
    return sim.Environment(trace=False, do_reset=True)


class Request(sim.Component):
    """A request that claims its guest, holds it for its demand and leaves."""

    def setup(self, guest, demand, tally):
        self.guest, self.demand, self.tally = guest, demand, tally

    def process(self):
        arrived = self.env.now()
        yield self.request(self.guest)
        yield self.hold(self.demand)
        self.release(self.guest)
        self.tally.add(self.env.now() - arrived)


class Arrivals(sim.Component):
    """Poisson arrivals; `submit(guest number, demand)` says what a request does."""

    def setup(self, work, submit):
        self.work, self.submit = work, submit

    def process(self):
        work = self.work
        for _ in range(work.requests):
            yield self.hold(random.expovariate(work.rate))
            self.submit(int(random.random() * work.guests), random.expovariate(1.0 / work.mean_demand))


def resource_per_guest(work: Work, tally: Tally) -> None:
    env = environment()
    guests = [sim.Resource(capacity=1, monitor=False) for _ in range(work.guests)]
    Arrivals(work=work, submit=lambda n, demand: Request(guest=guests[n], demand=demand, tally=tally))
    env.run()


class Guest(sim.Component):
    """A server that takes its requests from a line of its own; requests are plain tuples."""

    def setup(self, tally):
        self.line, self.tally, self.sleeping = deque(), tally, False

    def submit(self, demand):
        self.line.append((self.env.now(), demand))
        if self.sleeping:
            self.sleeping = False
            self.activate()

    def process(self):
        while True:
            while not self.line:
                self.sleeping = True
                yield self.passivate()
            arrived, demand = self.line[0]
            yield self.hold(demand)
            self.line.popleft()
            self.tally.add(self.env.now() - arrived)


def server_per_guest(work: Work, tally: Tally) -> None:
    env = environment()
    guests = [Guest(tally=tally) for _ in range(work.guests)]
    Arrivals(work=work, submit=lambda n, demand: guests[n].submit(demand))
    env.run()


class SharedHost(sim.Component):
    """Serves the first request of every busy guest at equal rates; re-activated on every change."""

    def setup(self, work, tally):
        self.cores, self.tally = work.cores, tally
        self.lines = [deque() for _ in range(work.guests)]
        self.left = {}  # guest -> core-seconds that its first request still needs
        self.since, self.rate = 0.0, 1.0

    def submit(self, guest, demand):
        line = self.lines[guest]
        line.append((self.env.now(), demand))
        if len(line) == 1:
            self.advance()
            self.left[guest] = demand
            self.activate()

    def advance(self):
        done = (self.env.now() - self.since) * self.rate
        for guest in self.left:
            self.left[guest] -= done
        self.since = self.env.now()

    def finish(self, guest):
        line = self.lines[guest]
        arrived, _ = line.popleft()
        self.tally.add(self.env.now() - arrived)
        if line:
            self.left[guest] = line[0][1]
        else:
            del self.left[guest]

    def process(self):
        while True:
            if not self.left:
                yield self.passivate()
                continue
            self.rate = min(1.0, self.cores / len(self.left))
            guest = min(self.left, key=self.left.__getitem__)
            due = self.env.now() + max(0.0, self.left[guest]) / self.rate
            yield self.hold(till=due)
            if self.env.now() >= due:  # not woken before by an arrival
                self.advance()
                self.finish(guest)


def processor_sharing(work: Work, tally: Tally) -> None:
    env = environment()
    host = SharedHost(work=work, tally=tally)
    Arrivals(work=work, submit=host.submit)
    env.run()


if __name__ == "__main__":
    drive(
        "salabim",
        sim.__version__,
        {"resource": resource_per_guest, "server": server_per_guest, "sharing": processor_sharing},
    )
