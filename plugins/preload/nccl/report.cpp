// SPDX-License-Identifier: Apache-2.0
#include "nccl/report.hpp"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <numeric>
#include <system_error>

#include <nlohmann/json.hpp>

#include "nccl/quietly.hpp"
#include "nccl/settings.hpp"

namespace banyan::preload::nccl {
namespace {

using nlohmann::ordered_json;

const char* name_of(State state) {
  switch (state) {
    case State::kOpen:
      return "open";
    case State::kFinalized:
      return "finalized";
    case State::kRevoked:
      return "revoked";
    case State::kDestroyed:
      return "destroyed";
    case State::kAborted:
      return "aborted";
  }
  return "";
}

std::string id_text(const Origin& origin) {
  if (!origin.id) {
    return "";
  }
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(*origin.id));
  return text.data();
}

uint64_t sum_of(const std::vector<uint64_t>& values) {
  return std::accumulate(values.begin(), values.end(), uint64_t{0});
}

ordered_json json_of(const Communicator& communicator) {
  const Origin origin = communicator.origin();
  const Tally tally = communicator.tally();
  const std::string id = id_text(origin);
  return {{"id", id.empty() ? ordered_json(nullptr) : ordered_json(id)},
          {"made_by", origin.how},
          {"state", name_of(communicator.state())},
          {"ranks", origin.num_ranks},
          {"rank", origin.rank},
          {"nccl_version", communicator.real().version},
          {"alltoall",
           {{"calls", tally.alltoall.num_calls},
            {"bytes_per_pair", tally.alltoall.total_bytes},
            {"least_bytes_per_pair", tally.alltoall.least_bytes},
            {"most_bytes_per_pair", tally.alltoall.most_bytes}}},
          {"alltoallv",
           {{"calls", tally.alltoallv.num_calls},
            {"calls_of_one_block_size", tally.num_even},
            {"sent_bytes", tally.alltoallv.sent},
            {"received_bytes", tally.alltoallv.received}}},
          {"partial",
           {{"calls", tally.partial.num_calls},
            {"missing_sends", tally.missing_sends},
            {"missing_receives", tally.missing_receives},
            {"calls_without_itself", tally.num_without_itself},
            {"sent_bytes", tally.partial.sent},
            {"received_bytes", tally.partial.received}}},
          {"left_alone",
           {{"sends", tally.left_alone.num_sends},
            {"receives", tally.left_alone.num_receives},
            {"sent_bytes", tally.left_alone.sent_bytes},
            {"received_bytes", tally.left_alone.received_bytes}}},
          {"unknown_datatypes", tally.num_unknown_datatypes}};
}

/// The launcher's number of this process, else its rank in its largest communicator, else 0.
long number_of_process(const Inventory& seen) {
  if (const auto rank = launched_rank(); rank) {
    return *rank;
  }
  Origin largest;
  for (const auto& communicator : seen.communicators) {
    const Origin origin = communicator->origin();
    largest = origin.num_ranks > largest.num_ranks ? origin : largest;
  }
  return largest.rank;
}

std::string place_of(const Inventory& seen) {
  std::filesystem::path wanted = report_path();
  if (wanted.extension() == ".json") {
    wanted.replace_extension();
  }
  return wanted.string() + ".rank" + std::to_string(number_of_process(seen)) + ".json";
}

/// Whole or not at all: somebody may be reading the file of before.
void write_file(const Inventory& seen) {
  const std::string place = place_of(seen);
  const std::string unfinished = place + ".unfinished";
  std::ofstream file(unfinished);
  file << report_json(seen);
  file.close();
  if (!file || std::rename(unfinished.c_str(), place.c_str()) != 0) {
    say("cannot write the report " + place + ": " + std::generic_category().message(errno));
  }
}

bool wants_file() { return mode() == Mode::kObserve && !report_path().empty(); }

std::string summary_of(const Inventory& seen) {
  uint64_t exchanges = 0;
  uint64_t partial = 0;
  uint64_t others = 0;
  for (const auto& communicator : seen.communicators) {
    const Tally tally = communicator->tally();
    exchanges += tally.alltoall.num_calls + tally.alltoallv.num_calls;
    partial += tally.partial.num_calls;
    others += tally.left_alone.num_sends + tally.left_alone.num_receives;
  }
  return "NCCL's all-to-alls of rank 0: 0 by Banyan, " + std::to_string(exchanges) + " by NCCL, " +
         std::to_string(partial) + " groups that may be some by NCCL; " + std::to_string(others) +
         " other sends and receives";
}

void report_at_end() {
  if (!is_own_process() || !is_observing()) {
    return;
  }
  const Inventory seen = inventory();
  if (seen.communicators.empty() && !launched_rank()) {
    return;  // whose it is nobody knows, and it would take another's place
  }
  if (wants_file()) {
    write_file(seen);
  }
  if (number_of_process(seen) != 0) {
    return;
  }
  if (mode() == Mode::kObserve && !wants_file()) {
    std::fputs(report_text(seen, "banyan preload: ").c_str(), stderr);
  }
  if (wants_summary()) {
    say(summary_of(seen));
  }
}

[[gnu::destructor]] void at_end() { quietly(report_at_end); }

/// Times of the steady clock, which begins anywhere.
std::atomic<int64_t> last_report_s{std::numeric_limits<int64_t>::min()};

}  // namespace

std::string report_text(const Inventory& seen, const std::string& prefix) {
  std::string text;
  const auto number = [](uint64_t value) { return std::to_string(value); };
  for (const auto& communicator : seen.communicators) {
    const Origin origin = communicator->origin();
    const Tally tally = communicator->tally();
    const std::string id = id_text(origin);
    text += prefix + "NCCL communicator " + (id.empty() ? "of unknown origin" : id) + ", rank " +
            std::to_string(origin.rank) + " of " + std::to_string(origin.num_ranks) + ", " +
            name_of(communicator->state()) + "; what this rank saw:\n";
    text += prefix + "  ncclAlltoAll: " + number(tally.alltoall.num_calls) + " calls, " +
            number(tally.alltoall.least_bytes) + " to " + number(tally.alltoall.most_bytes) + " bytes per pair, " +
            number(tally.alltoall.total_bytes) + " in all\n";
    text += prefix + "  all-to-all-v as a group of sends and receives: " + number(tally.alltoallv.num_calls) +
            " calls, " + number(tally.num_even) + " of them with blocks of one size; " +
            number(sum_of(tally.alltoallv.sent)) + " bytes sent, " + number(sum_of(tally.alltoallv.received)) +
            " received\n";
    text += prefix + "  groups that may be one: " + number(tally.partial.num_calls) + " calls, which lack " +
            number(tally.missing_sends) + " sends and " + number(tally.missing_receives) + " receives; " +
            number(sum_of(tally.partial.sent)) + " bytes sent, " + number(sum_of(tally.partial.received)) +
            " received\n";
    text += prefix + "  left alone: " + number(tally.left_alone.num_sends) + " sends of " +
            number(tally.left_alone.sent_bytes) + " bytes, " + number(tally.left_alone.num_receives) + " receives of " +
            number(tally.left_alone.received_bytes) + " bytes\n";
    if (tally.num_unknown_datatypes > 0) {
      text += prefix + "  not in these sums: " + number(tally.num_unknown_datatypes) +
              " operations on datatypes whose size is not known\n";
    }
  }
  if (seen.num_not_kept > 0) {
    text += prefix + number(seen.num_not_kept) + " communicators more were not kept\n";
  }
  return text;
}

std::string report_json(const Inventory& seen) {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  ordered_json communicators = ordered_json::array();
  for (const auto& communicator : seen.communicators) {
    communicators.push_back(json_of(*communicator));
  }
  const auto rank = launched_rank();
  const ordered_json report = {{"format", "banyan-preload-nccl-report"},
                               {"version", 1},
                               {"host", host.data()},
                               {"process", ::getpid()},
                               {"launched_rank", rank ? ordered_json(*rank) : ordered_json(nullptr)},
                               {"communicators", std::move(communicators)},
                               {"communicators_not_kept", seen.num_not_kept}};
  return report.dump(2, ' ', false, ordered_json::error_handler_t::replace) + '\n';
}

void report_if_idle() {
  if (!wants_file()) {
    return;
  }
  const Inventory seen = inventory();
  const int64_t now_s =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
  if (seen.num_alive == 0 && last_report_s.exchange(now_s) < now_s) {
    write_file(seen);
  }
}

}  // namespace banyan::preload::nccl
