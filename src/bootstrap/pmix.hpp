// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/dl.hpp"
#include "bootstrap/launch.hpp"
#include "bootstrap/pmix_abi.hpp"

namespace banyan::bootstrap {

/// A client of the PMIx server that started this process, over libpmix loaded at run time (BANYAN_PMIX_LIBRARY or
/// libpmix.so.2). PMIx counts its users, so a program that also uses MPI is not disturbed; the first session's use
/// lasts until the process exits. One thread.
class PmixSession final : public LauncherExchange {
 public:
  /// Error{NOT_FOUND}: no libpmix. Error{IO}: no server, with PMIx's own text.
  PmixSession();
  ~PmixSession() override;
  PmixSession(const PmixSession&) = delete;
  PmixSession& operator=(const PmixSession&) = delete;

  /// Rank, sizes and node as the server has them. Error{IO} when it does not say.
  void fill(Launch& launch) const;
  [[nodiscard]] std::string from_root(const std::string& mine, Deadline deadline) override;

 private:
  struct Functions;
  [[nodiscard]] std::optional<uint32_t> number(uint32_t rank, const char* key, Deadline deadline) const;
  void put(const std::string& key, const std::string& text) const;
  void fence(Deadline deadline) const;
  [[nodiscard]] std::string get_text(const std::string& key, Deadline deadline) const;
  [[noreturn]] void fail(const char* what, int status) const;

  std::unique_ptr<Functions> functions_;
  pmix::Proc self_{};
  bool counted_ = false;  // whether this session's use ends with it
};

}  // namespace banyan::bootstrap
