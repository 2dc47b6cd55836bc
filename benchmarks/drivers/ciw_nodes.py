"""Ciw: a node a guest (no contention for the host), and the whole host as one node (servers, or sharing).

Ciw has no host that several nodes share, so no variant is W itself; each is compared with its own theory.
"""

import math

import ciw

from benchmarks.workload import Tally, Work, drive


class Watched(ciw.ExitNode):
    """An exit that tallies the response time of whoever leaves and keeps nobody."""

    tally: Tally

    def accept(self, next_individual, completed=True):
        record = next_individual.data_records[-1]
        self.tally.add(record.exit_date - record.arrival_date)
        self.number_of_individuals += 1
        self.number_of_completed_individuals += 1


def simulate(network, work, tally, node_class=None):
    ciw.seed(work.seed)
    watched = type("Exit", (Watched,), {"tally": tally})
    simulation = ciw.Simulation(network, node_class=node_class, exit_node_class=watched)
    simulation.simulate_until_max_customers(work.requests, method="Finish")


def node_per_guest(work: Work, tally: Tally) -> None:
    every = range(work.guests)
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rate=work.guest_rate) for _ in every],
        service_distributions=[ciw.dists.Exponential(rate=1.0 / work.mean_demand) for _ in every],
        number_of_servers=[1] * work.guests,
        routing=ciw.routing.NetworkRouting(routers=[ciw.routing.Leave() for _ in every]),
    )
    simulate(network, work, tally)


def node_of_servers(work: Work, tally: Tally) -> None:
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rate=work.rate)],
        service_distributions=[ciw.dists.Exponential(rate=1.0 / work.mean_demand)],
        number_of_servers=[work.cores],
    )
    simulate(network, work, tally)


def sharing_node(work: Work, tally: Tally) -> None:
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rate=work.rate)],
        service_distributions=[ciw.dists.Exponential(rate=1.0 / work.mean_demand)],
        number_of_servers=[math.inf],
        ps_thresholds=[work.cores],
    )
    simulate(network, work, tally, ciw.PSNode)


if __name__ == "__main__":
    variants = {"nodes": node_per_guest, "servers": node_of_servers, "sharing": sharing_node}
    drive("ciw", ciw.__version__, variants)
