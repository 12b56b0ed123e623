// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/pmix.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>

#include "base/env.hpp"
#include "base/error.hpp"

namespace banyan::bootstrap {
namespace {

constexpr double kQueryLimitS = 10;  // the local server answers these from memory

/// Where PMIx's own thread leaves an answer. Shared with it, as it may come after we stopped waiting.
struct Answer {
  std::mutex mutex;
  std::condition_variable changed;
  pmix::Info collect{};  // an argument of the call, as long as it runs
  bool done = false;
  int status = 0;
  std::string text;
  uint32_t number = 0;

  void finish(int code, const pmix::Value* value) {
    const std::lock_guard lock(mutex);
    status = code;
    if (value != nullptr && value->type == pmix::kTypeString && value->data.string != nullptr) {
      text = value->data.string;
    } else if (value != nullptr && value->type == pmix::kTypeUint32) {
      number = value->data.uint32;
    } else if (value != nullptr && value->type == pmix::kTypeUint16) {
      number = value->data.uint16;
    }
    done = true;
    changed.notify_all();
  }
  bool wait(Deadline deadline) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::duration<double>(deadline.remaining_s()), [&] { return done; });
  }
};

using Shared = std::shared_ptr<Answer>;

void on_operation(int status, void* data) {
  const std::unique_ptr<Shared> answer(static_cast<Shared*>(data));
  (*answer)->finish(status, nullptr);
}

void on_value(int status, pmix::Value* value, void* data) {
  const std::unique_ptr<Shared> answer(static_cast<Shared*>(data));
  (*answer)->finish(status, value);
}

/// Keys cannot be put twice, so every rendezvous of a process has its own. All ranks count alike, as calls are
/// collective.
std::string next_key() {
  static std::atomic<int> count{0};
  return fmt::format("banyan.id.{}", count++);
}

/// The process's own use of PMIx, from its first session to its end. When a client finalizes, the server may end a
/// fence that other ranks of its next session are already in (PMIX_ERR_PARTIAL_SUCCESS), so sessions must not.
class ProcessUse {
 public:
  explicit ProcessUse(pmix::FinalizeFunction finalize) : finalize_(finalize), owner_(::getpid()) {}
  ~ProcessUse() {
    if (::getpid() == owner_) {  // a forked child has neither PMIx's thread nor a place in the job
      finalize_(nullptr, 0);
    }
  }
  ProcessUse(const ProcessUse&) = delete;
  ProcessUse& operator=(const ProcessUse&) = delete;

 private:
  pmix::FinalizeFunction finalize_;
  pid_t owner_;
};

}  // namespace

struct PmixSession::Functions {
  DynamicLibrary library;
  pmix::InitFunction init = library.function<pmix::InitFunction>("PMIx_Init");
  pmix::FinalizeFunction finalize = library.function<pmix::FinalizeFunction>("PMIx_Finalize");
  pmix::PutFunction put = library.function<pmix::PutFunction>("PMIx_Put");
  pmix::CommitFunction commit = library.function<pmix::CommitFunction>("PMIx_Commit");
  pmix::FenceFunction fence = library.function<pmix::FenceFunction>("PMIx_Fence_nb");
  pmix::GetFunction get = library.function<pmix::GetFunction>("PMIx_Get_nb");
  pmix::ErrorStringFunction error_string = library.function<pmix::ErrorStringFunction>("PMIx_Error_string");

  [[nodiscard]] bool complete() const {
    return init != nullptr && finalize != nullptr && put != nullptr && commit != nullptr && fence != nullptr &&
           get != nullptr && error_string != nullptr;
  }
};

PmixSession::PmixSession() {
  const std::string path = env::get("BANYAN_PMIX_LIBRARY").value_or("libpmix.so.2");
  functions_.reset(new Functions{.library = DynamicLibrary::open(path)});
  if (!functions_->complete()) {
    throw Error(BANYAN_ERR_NOT_SUPPORTED, path + " lacks functions of PMIx 3: set BANYAN_PMIX_LIBRARY to another one");
  }
  const int status = functions_->init(&self_, nullptr, 0);
  if (status != pmix::kSuccess) {
    fail("PMIx_Init", status);
  }
  static const ProcessUse keeps_the_first(functions_->finalize);
  static std::atomic<bool> first{true};
  counted_ = !first.exchange(false);
}

PmixSession::~PmixSession() {
  if (counted_) {
    functions_->finalize(nullptr, 0);
  }
}

void PmixSession::fail(const char* what, int status) const {
  throw Error(BANYAN_ERR_IO, fmt::format("{} failed: {} ({}); PMIX_NAMESPACE is set, so a PMIx server should be there",
                                         what, functions_->error_string(status), status));
}

std::optional<uint32_t> PmixSession::number(uint32_t rank, const char* key, Deadline deadline) const {
  pmix::Proc proc = self_;
  proc.rank = rank;
  const Shared answer = std::make_shared<Answer>();
  auto data = std::make_unique<Shared>(answer);
  if (functions_->get(&proc, key, nullptr, 0, &on_value, data.get()) != pmix::kSuccess) {
    return std::nullopt;
  }
  static_cast<void>(data.release());
  return answer->wait(deadline) && answer->status == pmix::kSuccess ? std::optional(answer->number) : std::nullopt;
}

void PmixSession::fill(Launch& launch) const {
  const Deadline limit = Deadline::in(kQueryLimitS);
  const auto size = number(pmix::kRankWildcard, "pmix.job.size", limit);
  if (!size || *size == 0) {
    throw Error(BANYAN_ERR_IO, "the PMIx server does not say how many ranks the job has (pmix.job.size)");
  }
  launch.rank = static_cast<int>(self_.rank);
  launch.size = static_cast<int>(*size);
  launch.local_size = static_cast<int>(number(pmix::kRankWildcard, "pmix.local.size", limit).value_or(0));
  launch.local_rank = static_cast<int>(number(self_.rank, "pmix.lrank", limit).value_or(0));
  const auto node = number(self_.rank, "pmix.nodeid", limit);
  launch.node_rank = node ? static_cast<int>(*node) : -1;
}

std::string PmixSession::from_root(const std::string& mine, Deadline deadline) {
  const std::string key = next_key();
  if (self_.rank == 0) {
    put(key, mine);
  }
  fence(deadline);
  return get_text(key, deadline);
}

void PmixSession::put(const std::string& key, const std::string& text) const {
  std::string copy = text;
  pmix::Value value{};
  value.type = pmix::kTypeString;
  value.data.string = copy.data();
  int status = functions_->put(pmix::kScopeGlobal, key.c_str(), &value);
  if (status == pmix::kSuccess) {
    status = functions_->commit();
  }
  if (status != pmix::kSuccess) {
    fail("PMIx_Put", status);
  }
}

void PmixSession::fence(Deadline deadline) const {
  const Shared answer = std::make_shared<Answer>();
  std::strncpy(answer->collect.key, "pmix.collect", sizeof answer->collect.key - 1);
  answer->collect.value.type = pmix::kTypeBool;
  answer->collect.value.data.flag = true;
  auto data = std::make_unique<Shared>(answer);
  const int status = functions_->fence(nullptr, 0, &answer->collect, 1, &on_operation, data.get());
  if (status != pmix::kSuccess) {
    fail("PMIx_Fence", status);
  }
  static_cast<void>(data.release());
  if (!answer->wait(deadline)) {
    throw Error(BANYAN_ERR_TIMEOUT,
                fmt::format("not all ranks of the job came to the PMIx fence within {:.3g} s (seen by rank {})",
                            deadline.total_s(), self_.rank));
  }
  if (answer->status != pmix::kSuccess) {
    fail("PMIx_Fence", answer->status);
  }
}

std::string PmixSession::get_text(const std::string& key, Deadline deadline) const {
  pmix::Proc root = self_;
  root.rank = 0;
  const Shared answer = std::make_shared<Answer>();
  auto data = std::make_unique<Shared>(answer);
  const int status = functions_->get(&root, key.c_str(), nullptr, 0, &on_value, data.get());
  if (status != pmix::kSuccess) {
    fail("PMIx_Get", status);
  }
  static_cast<void>(data.release());
  if (!answer->wait(deadline)) {
    throw Error(BANYAN_ERR_TIMEOUT, "rank 0 published nothing over PMIx before the deadline");
  }
  if (answer->status != pmix::kSuccess) {
    fail("PMIx_Get", answer->status);
  }
  return answer->text;
}

}  // namespace banyan::bootstrap
