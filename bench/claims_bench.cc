// How long a claim of a gateway_client_id takes, and how long until another backend knows of it, on
// the NATS servers that are named: claims_bench N REPLICAS URL[,URL…]
//
// Two backends' claims in this process, each with its own connection, take turns in displacing each
// other N times. Then N claims at once, as after the end of a backend.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/check.h"
#include "log_nats/nats_claims.h"

namespace galaxy::push {
namespace {

using Time = std::chrono::steady_clock::time_point;

double MsSince(Time begun) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begun)
      .count();
}

void Print(const char* what, std::vector<double> ms) {
  std::ranges::sort(ms);
  auto at = [&ms](double part) { return ms[static_cast<size_t>(part * double(ms.size() - 1))]; };
  std::printf("%-32s n=%zu  p50 %.2f  p90 %.2f  p99 %.2f  max %.2f ms\n", what, ms.size(), at(0.5),
              at(0.9), at(0.99), ms.back());
}

NatsClaims::Options PartyOptions(int replicas, const char* name) {
  NatsClaims::Options options;
  options.bucket.bucket = "claims-bench";
  options.bucket.replicas = replicas;
  options.backend = name;
  options.queue_max = 100'000;
  return options;
}

struct Party {
  Party(Loop& loop, std::vector<std::string> urls, int replicas, const char* name)
      : claims(*NatsClaims::Open(loop, {.urls = std::move(urls), .name = name},
                                 PartyOptions(replicas, name))) {
    claims->SetListener([this](const Hash&, uint64_t generation) {
      heard = std::max(heard, generation);
      heard_at = std::chrono::steady_clock::now();
    });
  }
  std::unique_ptr<NatsClaims> claims;
  uint64_t heard = 0;
  Time heard_at;
};

void Displace(Loop& loop, Party& claimer, Party& other, std::vector<double>& claim_ms,
              std::vector<double>& known_ms) {
  Time begun = std::chrono::steady_clock::now();
  uint64_t claimed = 0;
  auto ticket = claimer.claims->Claim("gateway-1", [&](Result<uint64_t> generation) {
    CHECK(generation.has_value());
    claim_ms.push_back(MsSince(begun));
    claimed = *generation;
  });
  while (claimed == 0 || other.heard < claimed) loop.Poll();
  known_ms.push_back(std::chrono::duration<double, std::milli>(other.heard_at - begun).count());
}

void Burst(Loop& loop, Party& party, int n) {
  Time begun = std::chrono::steady_clock::now();
  std::vector<double> ms;
  int failed = 0;
  std::vector<SubscriptionClaims::Ticket> tickets;
  for (int i = 0; i < n; ++i) {
    tickets.push_back(
        party.claims->Claim("burst-" + std::to_string(i), [&](Result<uint64_t> generation) {
          generation ? ms.push_back(MsSince(begun)) : void(++failed);
        }));
  }
  while (static_cast<int>(ms.size()) + failed < n) loop.Poll();
  std::printf("%d claims at once: %d in %.0f ms, %d not in time\n", n, n - failed, MsSince(begun),
              failed);
}

int Run(int n, int replicas, const std::string& list) {
  std::vector<std::string> urls;
  for (size_t from = 0; from <= list.size();) {
    size_t to = std::min(list.find(',', from), list.size());
    urls.push_back(list.substr(from, to - from));
    from = to + 1;
  }
  Loop loop;
  Party a(loop, urls, replicas, "a");
  Party b(loop, urls, replicas, "b");
  while (!a.claims->Stats().watching || !b.claims->Stats().watching) loop.Poll();
  std::vector<double> claim_ms, known_ms;
  for (int i = 0; i < n; ++i) {
    Displace(loop, i % 2 == 0 ? a : b, i % 2 == 0 ? b : a, claim_ms, known_ms);
  }
  Print("a claim, until it is answered", claim_ms);
  Print("until the other backend knows", known_ms);
  Burst(loop, a, n);
  return 0;
}

}  // namespace
}  // namespace galaxy::push

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: claims_bench N REPLICAS URL[,URL…]\n");
    return 2;
  }
  return galaxy::push::Run(std::atoi(argv[1]), std::atoi(argv[2]), argv[3]);
}
