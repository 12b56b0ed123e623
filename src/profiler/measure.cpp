// SPDX-License-Identifier: Apache-2.0
#include "profiler/measure.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "comm/agree.hpp"
#include "profiler/survey.hpp"
#include "topology/discover.hpp"

namespace banyan::profiler {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kDefaultBudgetS = 20;
constexpr double kMaxBudgetS = 86400;
constexpr size_t kDefaultMaxBytes = size_t{4} << 20;
constexpr size_t kLeastMaxBytes = size_t{4} << 10;
constexpr size_t kMostMaxBytes = size_t{1} << 30;
/// A probe gains little from more than this.
constexpr double kMostProbeS = 2;
constexpr double kLeastProbeS = 1e-3;
/// Part of resume_key: files of a version that measured otherwise are stale.
constexpr const char* kMethod = "method 3";

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

/// What all ranks know before the first probe; made on rank 0 and sent as text.
struct Start {
  size_t max_bytes = 0;
  bool resumable = false;
  std::string created;
  std::string key;
  Results results;  ///< of an earlier run
};

std::string resume_key(comm::Communicator& comm, size_t max_bytes) {
  return hash_of(fmt::format("{}\n{}\n{}\n{}\n{}\n{}", kMethod, comm.size(), comm.transports(), comm.mapped(),
                             max_bytes, topology::to_json(comm.graph())));
}

Results read_results(const std::string& path, const std::string& key) {
  if (::access(path.c_str(), F_OK) != 0) {
    return {};
  }
  // A file of another kind is an error, not something to overwrite.
  Results results = results_from_json(file::read(path), key).value(path);
  if (results.empty()) {
    BANYAN_LOG(kWarn, "profiler",
               "{} is of another topology, rank count, transport, --max-bytes or version; measuring anew", path);
  }
  return results;
}

double budget_of(const MeasureOptions& options) {
  const double budget_s = options.budget_s == 0 ? kDefaultBudgetS : options.budget_s;
  if (!(budget_s > 0 && budget_s <= kMaxBudgetS)) {
    throw Error(
        BANYAN_ERR_INVALID_ARGUMENT,
        fmt::format("budget_s is {}; expected a number of seconds above 0 and up to {}", budget_s, kMaxBudgetS));
  }
  return budget_s;
}

/// Rank 0's part of the start, as text: "max_bytes resumable created key", then results as JSON.
std::string write_start(comm::Communicator& comm, const MeasureOptions& options) {
  static_cast<void>(budget_of(options));
  const size_t max_bytes = options.max_bytes == 0 ? kDefaultMaxBytes : options.max_bytes;
  if (max_bytes < kLeastMaxBytes || max_bytes > kMostMaxBytes) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                fmt::format("max_bytes is {}; expected {} to {}", max_bytes, kLeastMaxBytes, kMostMaxBytes));
  }
  const bool resumable = !options.resume_file.empty();
  const std::string key = resume_key(comm, max_bytes);
  const Results results = resumable ? read_results(options.resume_file, key) : Results{};
  return fmt::format("{} {} {} {}\n{}", max_bytes, resumable ? 1 : 0, utc_now(), key, results_to_json(key, results));
}

Start read_start(const std::string& text) {
  const size_t line_end = text.find('\n');
  BANYAN_CHECK(line_end != std::string::npos, "rank 0's start has no first line");
  Start start;
  char created[32] = {};
  char key[32] = {};
  int resumable = 0;
  const int found = std::sscanf(text.c_str(), "%zu %d %31s %31s", &start.max_bytes, &resumable, created, key);
  BANYAN_CHECK(found == 4, "rank 0's start does not parse");
  start.resumable = resumable != 0;
  start.created = created;
  start.key = key;
  start.results = results_from_json(std::string_view(text).substr(line_end + 1), start.key).value("rank 0's results");
  return start;
}

/// Runs what is not measured yet, in the time that is left.
class Conductor {
 public:
  Conductor(Runner& runner, const MeasureOptions& options, const Start& start, Survey& survey, Results& results)
      : runner_(runner), options_(options), start_(start), survey_(survey), results_(results) {}

  void run() {
    append(survey_.probes());
    expected_ = survey_.expected_probes();
    size_t next = 0;
    while (next < probes_.size()) {
      for (; next < probes_.size(); ++next) {
        run(next);
      }
      append(survey_.next_probes());
      expected_ = 0;
    }
    report(probes_.size(), "done");
  }

 private:
  void append(std::vector<Probe> probes) {
    for (Probe& probe : probes) {
      const auto found = results_.find(probe.name);
      if (found != results_.end() && found->second.size() != probe.num_numbers) {
        results_.erase(found);
      }
      left_ += results_.count(probe.name) == 0 ? 1 : 0;
      probes_.push_back(std::move(probe));
    }
  }

  void run(size_t index) {
    const Probe& probe = probes_[index];
    report(index, probe.name.c_str());
    if (results_.count(probe.name) > 0) {
      return;
    }
    results_[probe.name] = probe.run(agree_on_target());
    --left_;
    ++finished_;
    save();
  }

  [[nodiscard]] bool is_root() const { return runner_.engine().communicator().rank() == 0; }
  [[nodiscard]] double elapsed_s() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }

  /// Rank 0's share of the time for the next probe.
  double agree_on_target() {
    const double share = is_root() ? (budget_of(options_) - elapsed_s()) / std::max(1, left_ + expected_) : 0;
    return std::clamp(runner_.gather(share).front(), kLeastProbeS, kMostProbeS);
  }

  void report(size_t done, const char* name) const {
    if (!is_root() || !options_.progress) {
      return;
    }
    const double planned = std::max(0.0, budget_of(options_) - elapsed_s());
    const double eta_s = finished_ > 0 ? elapsed_s() / finished_ * left_ : std::min(planned, kMostProbeS * left_);
    options_.progress(static_cast<int>(done), static_cast<int>(probes_.size()), name, eta_s);
  }

  void save() const {
    if (!start_.resumable) {
      return;
    }
    comm::Communicator& comm = runner_.engine().communicator();
    static_cast<void>(comm::exchange_or_fail(comm.bootstrap(), Deadline::in(comm.settings().timeout_s), [&] {
      if (is_root()) {
        file::write_atomically(options_.resume_file, results_to_json(start_.key, results_));
      }
      return std::string();
    }));
  }

  Runner& runner_;
  const MeasureOptions& options_;
  const Start& start_;
  Survey& survey_;
  Results& results_;
  std::vector<Probe> probes_;
  const Clock::time_point begin_ = Clock::now();
  int left_ = 0;      ///< probes without results
  int expected_ = 0;  ///< about how many will follow from them
  int finished_ = 0;
};

}  // namespace

cost::Profile measure(coll::Engine& engine, const MeasureOptions& options) {
  comm::Communicator& comm = engine.communicator();
  comm.check_usable();
  const auto deadline = [&] { return Deadline::in(comm.settings().timeout_s); };
  const auto texts = comm::exchange_or_fail(
      comm.bootstrap(), deadline(), [&] { return comm.rank() == 0 ? write_start(comm, options) : std::string(); });
  const Start start = read_start(texts[0]);
  Results results = start.results;
  Runner runner(engine, start.max_bytes);
  Survey survey(runner, results);
  Conductor(runner, options, start, survey, results).run();
  cost::Profile profile = survey.profile();
  profile.created = start.created;
  comm::require_equal(comm.bootstrap(), deadline(), {{"the measured profile", hash_of(cost::to_json(profile))}});
  return profile;
}

}  // namespace banyan::profiler
