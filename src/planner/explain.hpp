// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "planner/plan.hpp"

/// Parts of what a plan says of itself; plan.hpp has the whole as text and JSON. Any thread.
namespace banyan::planner {

/// What tells two predictions apart most.
struct Difference {
  const char* term = "";  ///< "latency", "messages", "wire", "copies"; "" if no term of the slower one is larger
  double excess_s = 0;    ///< by how much it is larger
};
[[nodiscard]] Difference largest_excess(const Prediction& slower, const Prediction& faster);

/// "latency 1.0 us, messages 2.0 us, wire 1.00 ms at node1 egress, copies 3.0 us: wire bound".
[[nodiscard]] std::string terms_text(const Prediction& prediction);
/// One line: "direct: 2.00 ms (+100 %, loses 1.00 ms by wire; latency ...)".
[[nodiscard]] std::string candidate_text(const Candidate& candidate, const Candidate& chosen);

/// " (asked for by name)", " (chosen by BANYAN_ALGORITHM)" and so on; empty where the model chose.
[[nodiscard]] std::string forced_text(const Choice& choice);

/// Tables with a heading line, for terminals. Links: the `most` slowest and how many there are.
[[nodiscard]] std::string steps_table(const Plan& plan);
[[nodiscard]] std::string links_table(const Plan& plan, size_t most);

}  // namespace banyan::planner
