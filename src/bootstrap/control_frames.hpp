// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "banyan/status.h"
#include "bootstrap/control.hpp"
#include "bootstrap/wire.hpp"

/// The messages of the control plane. Pure; any thread.
namespace banyan::bootstrap {

/// Types of frames; a star's own types are below 16.
enum class ControlFrame : uint16_t {
  kAbort = 16,      ///< both ways: the cause
  kLeave = 17,      ///< both ways: the sender's membership ends
  kStall = 18,      ///< rank to root: an operation report
  kProbe = 19,      ///< root to rank: answer with kProgress
  kProgress = 20,   ///< rank to root: u64 started, u64 finished
  kDiagnosis = 21,  ///< root to rank: text
};

inline constexpr size_t kMaxCauseBytes = 8192;
inline constexpr size_t kMaxReportFields = 32;
inline constexpr size_t kMaxReportTextBytes = 512;
inline constexpr size_t kMaxReportPeers = 4096;

struct AbortCause {
  banyan_status status = BANYAN_ERR_ABORTED;
  std::string text;
};

[[nodiscard]] std::vector<unsigned char> write_abort(const AbortCause& cause);
[[nodiscard]] std::optional<AbortCause> read_abort(Bytes payload);

/// Cut to the limits above.
[[nodiscard]] std::vector<unsigned char> write_report(const OperationReport& report);
[[nodiscard]] std::optional<OperationReport> read_report(Bytes payload);

}  // namespace banyan::bootstrap
