// SimGrid (S4U): guests on one host, each a first-come-first-served queue with a weight and perhaps a cap.
//
// Reads from standard input: "cores guests end", then for each guest "weight cap requests" (cap 0: none) and its
// requests "arrival demand" (s, core-s). Prints the mean response of the requests that ended by `end`.
#include <simgrid/s4u.hpp>

#include <cstdio>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace sg4 = simgrid::s4u;

namespace {
constexpr double kSpeed = 1e9; // flop/s of one core; demands are scaled by it

struct Guest {
  double weight, cap;
  std::vector<std::pair<double, double>> requests;
};

double total = 0;
long count = 0;

void serve(const Guest* guest, double end)
{
  for (auto [arrival, demand] : guest->requests) {
    if (sg4::Engine::get_clock() < arrival)
      sg4::this_actor::sleep_until(arrival);
    auto exec = sg4::this_actor::exec_init(demand * kSpeed);
    exec->set_priority(guest->weight);
    if (guest->cap > 0 && guest->cap < 1)
      exec->set_bound(guest->cap * kSpeed);
    exec->start();
    exec->wait();
    if (sg4::Engine::get_clock() > end)
      return;
    total += sg4::Engine::get_clock() - arrival;
    count++;
  }
}
} // namespace

int main(int argc, char** argv)
{
  sg4::Engine engine(&argc, argv);
  sg4::Engine::set_config("maxmin/precision:1e-9"); // core-flop/s of 1e9: below rounding
  sg4::Engine::set_config("surf/precision:1e-12");
  int cores;
  size_t guests;
  double end;
  std::cin >> cores >> guests >> end;
  std::vector<Guest> all(guests);
  for (auto& guest : all) {
    size_t requests;
    std::cin >> guest.weight >> guest.cap >> requests;
    guest.requests.resize(requests);
    for (auto& [arrival, demand] : guest.requests)
      std::cin >> arrival >> demand;
  }
  auto* zone = sg4::create_empty_zone("world");
  auto* host = zone->create_host("host", kSpeed)->set_core_count(cores)->seal();
  zone->seal();
  for (size_t i = 0; i < guests; i++)
    sg4::Actor::create("guest-" + std::to_string(i), host, serve, &all[i], end);
  engine.run();
  std::printf("%.17g\n", total / count);
  return 0;
}
