"""SimPy with naive processor sharing: the host reschedules the next completion on every change.

Guests have equal weights and a cap of one core, so the water level comes to min(1, cores / busy guests).
"""

import random

import simpy

from benchmarks.workload import Tally, Work, drive


class SharedHost:
    """Serves the busy guests at equal rates; every arrival and completion interrupts and reschedules."""

    def __init__(self, env, cores):
        self.env, self.cores = env, cores
        self.left = {}  # event that ends a service -> core-seconds still to do
        self.since = 0.0
        self.rate = 1.0
        self.idle = None
        self.process = env.process(self.run())

    def execute(self, demand):
        done = self.env.event()
        self.advance()
        self.left[done] = demand
        if self.idle is not None:
            self.idle.succeed()
            self.idle = None
        else:
            self.process.interrupt()
        return done

    def advance(self):
        done = (self.env.now - self.since) * self.rate
        for job in self.left:
            self.left[job] -= done
        self.since = self.env.now

    def run(self):
        while True:
            if not self.left:
                self.idle = self.env.event()
                yield self.idle
            self.rate = min(1.0, self.cores / len(self.left))
            job = min(self.left, key=self.left.__getitem__)
            try:
                yield self.env.timeout(max(0.0, self.left[job]) / self.rate)
            except simpy.Interrupt:
                continue
            self.advance()
            del self.left[job]
            job.succeed()


def serve(env, guest, host, demand, tally):
    arrived = env.now
    with guest.request() as turn:
        yield turn
        yield host.execute(demand)
    tally.add(env.now - arrived)


def arrivals(env, guests, host, work, tally):
    for _ in range(work.requests):
        yield env.timeout(random.expovariate(work.rate))
        guest = guests[int(random.random() * work.guests)]
        env.process(serve(env, guest, host, random.expovariate(1.0 / work.mean_demand), tally))


def processor_sharing(work: Work, tally: Tally) -> None:
    env = simpy.Environment()
    host = SharedHost(env, work.cores)
    guests = [simpy.Resource(env) for _ in range(work.guests)]
    env.process(arrivals(env, guests, host, work, tally))
    env.run()


if __name__ == "__main__":
    drive("simpy", simpy.__version__, {"sharing": processor_sharing})
