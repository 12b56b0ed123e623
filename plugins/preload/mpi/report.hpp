// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "mpi/observation.hpp"

namespace banyan::preload {

/// What was observed, in words and columns; every line begins with `prefix`.
std::string report_text(const std::vector<ObservedCommunicator>& observed, const std::string& prefix);
/// The same for programs: docs/preload.md has the members.
std::string report_json(const std::vector<ObservedCommunicator>& observed);
/// The same as a page.
std::string report_html(const std::vector<ObservedCommunicator>& observed);

/// Writes the report of rank `world_rank` of MPI_COMM_WORLD where BANYAN_PRELOAD_REPORT says, in the form that the
/// file's name asks for; stderr if it says nothing. A file that cannot be written is said.
void write_report(const std::vector<ObservedCommunicator>& observed, int world_rank);

}  // namespace banyan::preload
