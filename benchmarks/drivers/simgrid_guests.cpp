// SimGrid (S4U): 64 guests served first come first served on a 16-core host, as VMs or as tasks on the host itself.
//
// A guest is an actor with a line of its own; it sleeps (suspended) while the line is empty. In variant "vm" it lives
// in a virtual machine of one core, in variant "tasks" on the host, where a task uses at most one core as well.
// Prints one JSON line like the Python drivers.
#include <simgrid/s4u.hpp>
#include <simgrid/s4u/VirtualMachine.hpp>
#include <simgrid/version.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <deque>
#include <fstream>
#include <iostream>
#include <random>
#include <string>
#include <vector>

namespace sg4 = simgrid::s4u;

namespace {
constexpr double kCoreSpeed = 1e9; // flop/s of one core; demands are scaled by it
constexpr int kCores = 16;
constexpr double kRate = 224.0;       // arrivals in all, 1/s
constexpr double kMeanDemand = 0.05;  // s
constexpr int kBatches = 20;

struct Options {
  std::string variant;
  long guests = 64, requests = 100000, seed = 1;
};

// Response times as sums of batches, constant memory, as in benchmarks/workload.py.
struct Tally {
  long size, count = 0, in_batch = 0;
  double total = 0, batch = 0;
  std::vector<double> means;

  explicit Tally(long requests) : size(std::max(1L, requests / kBatches)) {}

  void add(double response)
  {
    total += response;
    batch += response;
    count++;
    if (++in_batch == size) {
      means.push_back(batch / size);
      batch = 0;
      in_batch = 0;
    }
  }

  double standard_error() const
  {
    double n = means.size(), mean = 0, squares = 0;
    for (double m : means)
      mean += m / n;
    for (double m : means)
      squares += (m - mean) * (m - mean);
    return n < 2 ? NAN : std::sqrt(squares / (n - 1) / n);
  }
};

struct Guest {
  std::deque<std::pair<double, double>> line; // (arrival, demand)
  sg4::ActorPtr actor;
  bool sleeping = false;
};

void serve(Guest* guest, Tally* tally)
{
  while (true) {
    while (guest->line.empty()) {
      guest->sleeping = true;
      sg4::this_actor::suspend();
    }
    auto [arrived, demand] = guest->line.front();
    sg4::this_actor::execute(demand * kCoreSpeed);
    guest->line.pop_front();
    tally->add(sg4::Engine::get_clock() - arrived);
  }
}

void arrivals(const Options* options, std::vector<Guest>* guests, const Tally* tally)
{
  std::mt19937_64 random(options->seed);
  std::exponential_distribution<double> gap(kRate), demand(1.0 / kMeanDemand);
  std::uniform_int_distribution<long> route(0, options->guests - 1);
  for (long i = 0; i < options->requests; i++) {
    sg4::this_actor::sleep_for(gap(random));
    Guest& guest = (*guests)[route(random)];
    guest.line.emplace_back(sg4::Engine::get_clock(), demand(random));
    if (guest.sleeping) {
      guest.sleeping = false;
      guest.actor->resume();
    }
  }
  while (tally->count < options->requests) // the guests are daemons: the run would end with requests unfinished
    sg4::this_actor::sleep_for(kMeanDemand);
}

long peak_rss_bytes()
{
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "VmHWM:") {
      long kilobytes = 0;
      status >> kilobytes;
      return kilobytes * 1024;
    }
  return 0;
}

Options parse(int argc, char** argv)
{
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string name = argv[i];
    if (name == "--variant")
      options.variant = argv[i + 1];
    else if (name == "--guests")
      options.guests = std::stol(argv[i + 1]);
    else if (name == "--requests")
      options.requests = std::stol(argv[i + 1]);
    else if (name == "--seed")
      options.seed = std::stol(argv[i + 1]);
  }
  return options;
}

void create_guests(const Options& options, sg4::Host* host, std::vector<Guest>* guests, Tally* tally)
{
  for (long i = 0; i < options.guests; i++) {
    sg4::Host* where = host;
    if (options.variant == "vm") {
      auto* vm = host->create_vm("vm-" + std::to_string(i), 1);
      vm->start();
      where = vm;
    }
    Guest& guest = (*guests)[i];
    guest.actor = sg4::Actor::create("guest-" + std::to_string(i), where, serve, &guest, tally);
    guest.actor->daemonize();
  }
}

void print(const Options& options, const Tally& tally, double wall)
{
  char error[32] = "null";
  if (tally.means.size() > 1)
    std::snprintf(error, sizeof error, "%.6g", tally.standard_error());
  std::printf("{\"peer\": \"simgrid\", \"variant\": \"%s\", \"version\": \"%d.%d.%d\", \"guests\": %ld, \"requests\": %ld, "
              "\"wall_s\": %.9g, \"mean_response_s\": %.12g, \"se_response_s\": %s, \"peak_rss_bytes\": %ld}\n",
              options.variant.c_str(), SIMGRID_VERSION_MAJOR, SIMGRID_VERSION_MINOR, SIMGRID_VERSION_PATCH, options.guests, tally.count, wall,
              tally.total / tally.count, error, peak_rss_bytes());
}
} // namespace

int main(int argc, char** argv)
{
  sg4::Engine engine(&argc, argv);
  Options options = parse(argc, argv);
  if (options.variant != "vm" && options.variant != "tasks") {
    std::fprintf(stderr, "--variant must be vm or tasks\n");
    return 2;
  }
  sg4::Engine::set_config("cpu/optim:Full"); // faster here than the default, Lazy, from 64 to 8192 guests
  auto start = std::chrono::steady_clock::now();
  Tally tally(options.requests);
  std::vector<Guest> guests(options.guests);
  auto* zone = sg4::create_empty_zone("world");
  auto* host = zone->create_host("host", kCoreSpeed)->set_core_count(kCores)->seal();
  auto* outside = zone->create_host("outside", kCoreSpeed)->seal();
  zone->seal();
  create_guests(options, host, &guests, &tally);
  sg4::Actor::create("arrivals", outside, arrivals, &options, &guests, &tally);
  engine.run();
  std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  print(options, tally, wall.count());
  return 0;
}
