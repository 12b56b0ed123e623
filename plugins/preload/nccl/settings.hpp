// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace banyan::preload::nccl {

enum class Mode : uint8_t { kOff, kObserve, kOn };

/// What BANYAN_PRELOAD asks of this process, on unless it says otherwise; off for an unknown value, which is said. Read
/// at the first call. Any thread.
Mode mode();

/// Whether the program's exchanges are looked at, for a report or a summary. Any thread.
bool is_observing();

/// BANYAN_PRELOAD_SUMMARY.
bool wants_summary();

/// BANYAN_PRELOAD_REPORT; empty: none.
std::string report_path();

/// The number that the program's launcher gave this process (torchrun, mpirun, srun, banyan-run).
std::optional<long> launched_rank();

/// One line on stderr. Any thread.
void say(const std::string& text) noexcept;

/// The same in the process of rank 0 alone, or in all where no launcher numbered them.
void say_on_rank_0(const std::string& text) noexcept;

}  // namespace banyan::preload::nccl
