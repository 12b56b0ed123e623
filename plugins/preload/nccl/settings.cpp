// SPDX-License-Identifier: Apache-2.0
#include "nccl/settings.hpp"

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "common/flag.hpp"

namespace banyan::preload::nccl {
namespace {

Mode read_mode() {
  const char* value = std::getenv("BANYAN_PRELOAD");
  const std::string_view wanted = value != nullptr && *value != '\0' ? value : "on";
  if (wanted == "off") {
    return Mode::kOff;
  }
  if (wanted == "observe") {
    return Mode::kObserve;
  }
  if (wanted != "on") {
    say_on_rank_0("off: BANYAN_PRELOAD is \"" + std::string(wanted) + "\"; known are off, observe and on");
    return Mode::kOff;
  }
  say_on_rank_0(
      "NCCL makes all exchanges: Banyan does not move data under NCCL yet; BANYAN_PRELOAD=observe reports them, off "
      "says nothing");
  return Mode::kOn;
}

}  // namespace

Mode mode() {
  static const Mode once = read_mode();
  return once;
}

bool wants_summary() {
  static const bool once = flag("BANYAN_PRELOAD_SUMMARY").value_or(false);
  return once;
}

bool is_observing() { return mode() == Mode::kObserve || (mode() == Mode::kOn && wants_summary()); }

std::string report_path() {
  const char* path = std::getenv("BANYAN_PRELOAD_REPORT");
  return path != nullptr ? path : "";
}

std::optional<long> launched_rank() {
  // The innermost launcher first: torchrun is itself often started by one of the others.
  for (const char* name : {"RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID", "BANYAN_RANK"}) {
    const char* text = std::getenv(name);
    if (text == nullptr || *text == '\0') {
      continue;
    }
    char* end = nullptr;
    const long rank = std::strtol(text, &end, 10);
    if (*end == '\0' && rank >= 0) {
      return rank;
    }
  }
  return std::nullopt;
}

void say(const std::string& text) noexcept { std::fprintf(stderr, "banyan preload: %s\n", text.c_str()); }

void say_on_rank_0(const std::string& text) noexcept {
  if (launched_rank().value_or(0) == 0) {
    say(text);
  }
}

}  // namespace banyan::preload::nccl
