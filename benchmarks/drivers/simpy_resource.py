"""SimPy, the usual way: a Resource a guest. Ignores that guests share the host, so each guest is an M/M/1."""

import random

import simpy

from benchmarks.workload import Tally, Work, drive


def serve(env, guest, demand, tally):
    arrived = env.now
    with guest.request() as turn:
        yield turn
        yield env.timeout(demand)
    tally.add(env.now - arrived)


def arrivals(env, guests, work, tally):
    for _ in range(work.requests):
        yield env.timeout(random.expovariate(work.rate))
        guest = guests[int(random.random() * work.guests)]
        env.process(serve(env, guest, random.expovariate(1.0 / work.mean_demand), tally))


def resource_per_guest(work: Work, tally: Tally) -> None:
    env = simpy.Environment()
    guests = [simpy.Resource(env) for _ in range(work.guests)]
    env.process(arrivals(env, guests, work, tally))
    env.run()


if __name__ == "__main__":
    drive("simpy", simpy.__version__, {"resource": resource_per_guest})
