// SPDX-License-Identifier: Apache-2.0
#include "nccl/real.hpp"

#include <dlfcn.h>
#include <link.h>

#include <array>
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "nccl/settings.hpp"

namespace banyan::preload::nccl {
namespace {

struct Copy {
  const link_map* module;
  std::unique_ptr<Real> real;
};

struct Copies {
  std::mutex mutex;
  std::vector<Copy> all;
};

/// Never destroyed: the program may call NCCL while it ends.
Copies& copies() {
  static Copies& once = *new Copies;
  return once;
}

std::atomic<size_t> num_copies{0};

const link_map* module_of(const void* address) {
  Dl_info info;
  link_map* module = nullptr;
  return ::dladdr1(address, &info, reinterpret_cast<void**>(&module), RTLD_DL_LINKMAP) != 0 ? module : nullptr;
}

/// A handle of a module that is loaded, which stays so; nullptr if it cannot be had.
void* handle_of(const std::string& name) {
  return ::dlopen(name.empty() ? nullptr : name.c_str(), RTLD_LAZY | RTLD_NOLOAD);
}

/// NCCL has its functions under two names, and this library only the first.
void* find(void* scope, const char* name, const link_map* module) {
  for (const std::string& wanted : {"p" + std::string(name), std::string(name)}) {
    void* found = ::dlsym(scope, wanted.c_str());
    if (found != nullptr && (module == nullptr || module_of(found) == module)) {
      return found;
    }
  }
  return nullptr;
}

class Loader {
 public:
  explicit Loader(const link_map* module) : module_(module), scope_(handle_of(module->l_name)) {}

  template <typename Function>
  void operator()(Function*& function, const char* name) const {
    // Only of this module: a mixture of two NCCLs would hand one the other's communicators.
    function = scope_ != nullptr ? reinterpret_cast<Function*>(find(scope_, name, module_)) : nullptr;
  }

 private:
  const link_map* module_;
  void* scope_;
};

Functions functions_of(const link_map* module) {
  const Loader load(module);
  Functions functions;
  load(functions.get_version, "ncclGetVersion");
  load(functions.comm_count, "ncclCommCount");
  load(functions.comm_user_rank, "ncclCommUserRank");
  load(functions.comm_get_async_error, "ncclCommGetAsyncError");
  load(functions.alltoall, "ncclAlltoAll");
  load(functions.send, "ncclSend");
  load(functions.recv, "ncclRecv");
  load(functions.group_start, "ncclGroupStart");
  load(functions.group_end, "ncclGroupEnd");
  load(functions.group_simulate_end, "ncclGroupSimulateEnd");
  load(functions.comm_init_rank, "ncclCommInitRank");
  load(functions.comm_init_rank_config, "ncclCommInitRankConfig");
  load(functions.comm_init_rank_scalable, "ncclCommInitRankScalable");
  load(functions.comm_init_all, "ncclCommInitAll");
  load(functions.comm_split, "ncclCommSplit");
  load(functions.comm_shrink, "ncclCommShrink");
  load(functions.comm_finalize, "ncclCommFinalize");
  load(functions.comm_destroy, "ncclCommDestroy");
  load(functions.comm_abort, "ncclCommAbort");
  load(functions.comm_revoke, "ncclCommRevoke");
  return functions;
}

/// ncclGetVersion's number has another form since 2.9.
int major_of(int version) { return version < 10000 ? version / 1000 : version / 10000; }

std::unique_ptr<Real> make_real(const link_map* module) {
  auto real = std::make_unique<Real>();
  real->functions = functions_of(module);
  if (real->functions.get_version != nullptr) {
    static_cast<void>(real->functions.get_version(&real->version));
  }
  real->is_known = major_of(real->version) == 2;
  if (!real->is_known && mode() != Mode::kOff) {
    say_on_rank_0("the program's NCCL says that it is version " + std::to_string(real->version) +
                  "; known is NCCL 2: its calls are passed on as those of NCCL 2, and not looked at");
  }
  return real;
}

/// That of the module with NCCL's function at `anchor`.
const Real* real_at(const void* anchor) {
  const link_map* module = module_of(anchor);
  if (module == nullptr) {
    return nullptr;
  }
  Copies& known = copies();
  const std::lock_guard lock(known.mutex);
  for (const Copy& copy : known.all) {
    if (copy.module == module) {
      return copy.real.get();
    }
  }
  known.all.push_back({module, make_real(module)});
  num_copies.store(known.all.size(), std::memory_order_release);
  return known.all.back().real.get();
}

/// In the scope of the whole program, else in that of the caller's module.
const Real* in_scope_of(const void* call_site) {
  if (const void* anchor = find(RTLD_DEFAULT, "ncclGetVersion", nullptr); anchor != nullptr) {
    return real_at(anchor);
  }
  const link_map* caller = module_of(call_site);
  if (caller == nullptr) {
    return nullptr;
  }
  void* scope = handle_of(caller->l_name);
  const void* anchor = scope != nullptr ? find(scope, "ncclGetVersion", nullptr) : nullptr;
  return anchor != nullptr ? real_at(anchor) : nullptr;
}

/// How often modules were loaded into this process.
unsigned long long num_loads() {
  unsigned long long loads = 0;
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* result) {
        *static_cast<unsigned long long*>(result) = info->dlpi_adds;
        return 1;
      },
      &loads);
  return loads;
}

std::vector<std::string> module_names() {
  std::vector<std::string> names;
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* result) {
        try {
          static_cast<std::vector<std::string>*>(result)->emplace_back(info->dlpi_name);
          return 0;
        } catch (const std::exception&) {  // must not pass through the loader's code
          return 1;
        }
      },
      &names);
  return names;
}

/// The only NCCL among all modules; nullptr if there are none or several.
const Real* only_one() {
  const void* only = nullptr;
  for (const std::string& name : module_names()) {
    void* module = handle_of(name);
    if (module == nullptr) {
      continue;
    }
    const void* anchor = find(module, "ncclGetVersion", nullptr);
    ::dlclose(module);
    if (anchor != nullptr && only != nullptr && module_of(anchor) != module_of(only)) {
      return nullptr;
    }
    only = anchor != nullptr ? anchor : only;
  }
  return only != nullptr ? real_at(only) : nullptr;
}

/// What this thread found out. Call sites do not move, so they need no lock and are looked up once.
struct Memory {
  struct Site {
    const void* call_site = nullptr;
    const Real* real = nullptr;
  };
  std::array<Site, 64> sites;
  const Real* last = nullptr;
  const Real* only = nullptr;
  unsigned long long loads_of_only = 0;
};
thread_local constinit Memory memory{};

const Real* real_out_of_scope() {
  const unsigned long long loads = num_loads();
  if (memory.only == nullptr || memory.loads_of_only != loads) {
    memory.only = only_one();
    memory.loads_of_only = loads;
  }
  return memory.only != nullptr ? memory.only : memory.last;
}

}  // namespace

const Real* real_for(const void* call_site) noexcept {
  const auto address = reinterpret_cast<uintptr_t>(call_site);
  Memory::Site& site = memory.sites[(address ^ (address >> 6)) % memory.sites.size()];
  if (site.call_site == call_site) {
    memory.last = site.real;
    return site.real;
  }
  try {
    const Real* real = in_scope_of(call_site);
    if (real != nullptr) {
      site = {call_site, real};
    } else {
      real = real_out_of_scope();
    }
    memory.last = real;
    return real;
  } catch (const std::exception&) {  // no memory
    return memory.last;
  }
}

size_t num_reals() noexcept { return num_copies.load(std::memory_order_acquire); }

}  // namespace banyan::preload::nccl
