// SPDX-License-Identifier: Apache-2.0
#include "planner/gantt.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <queue>

#include "base/error.hpp"
#include "base/json.hpp"

namespace banyan::planner {
namespace {

using topology::Tier;

size_t at(int index) { return static_cast<size_t>(index); }

void check(const topology::LocalityTree& tree, const TimedMessage& message) {
  const auto in_range = [&](int rank) { return rank >= 0 && rank < tree.num_ranks(); };
  if (!in_range(message.from) || !in_range(message.to)) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, fmt::format("a message {} -> {} in the timeline of {} ranks", message.from,
                                                         message.to, tree.num_ranks()));
  }
}

/// Sorts the bars and gives each the first lane that is free when it starts.
void assign_lanes(GanttRow& row) {
  std::stable_sort(row.bars.begin(), row.bars.end(),
                   [](const GanttBar& a, const GanttBar& b) { return a.start_s < b.start_s; });
  using Busy = std::pair<double, int>;  // until when, which lane
  std::priority_queue<Busy, std::vector<Busy>, std::greater<>> busy;
  std::priority_queue<int, std::vector<int>, std::greater<>> free;
  double end_s = 0;
  for (GanttBar& bar : row.bars) {
    for (; !busy.empty() && busy.top().first <= bar.start_s; busy.pop()) {
      free.push(busy.top().second);
    }
    bar.lane = free.empty() ? row.num_lanes++ : free.top();
    if (!free.empty()) {
      free.pop();
    }
    busy.emplace(bar.end_s, bar.lane);
    row.busy_s += std::max(0.0, bar.end_s - std::max(bar.start_s, end_s));
    end_s = std::max(end_s, bar.end_s);
  }
}

/// The rows of a tree, empty, and which of them a message is in.
class Rows {
 public:
  Rows(const topology::LocalityTree& tree, const cost::CostModel& model) : tree_(tree), link_row_(tree.nodes().size()) {
    for (int rank = 0; rank < tree.num_ranks(); ++rank) {
      for (const auto kind : {GanttRow::kSends, GanttRow::kReceives}) {
        add(kind, fmt::format("rank {}", rank), rank);
      }
    }
    for (size_t i = 0; i < tree.nodes().size(); ++i) {
      const topology::TreeNode& node = tree.nodes()[i];
      const bool crossed =
          (node.tier == Tier::kNode || node.tier == Tier::kRack) && node.ranks.size() < at(tree.num_ranks());
      const cost::SubtreeCapacity& capacity = model.subtrees.at(i);
      if (crossed && (capacity.egress_bytes_per_s > 0 || capacity.ingress_bytes_per_s > 0)) {
        link_row_[i] = rows_.size();
        add(GanttRow::kLink, node.name + " egress", -1);
        add(GanttRow::kLink, node.name + " ingress", -1);
      }
    }
  }

  void place(const TimedMessage& message, size_t index) {
    put(2 * at(message.from), message, {index, message.issue_s, message.wire_end_s, 0});
    put(2 * at(message.to) + 1, message, {index, message.wire_start_s, message.done_s, 0});
    const GanttBar wire{index, message.wire_start_s, message.wire_end_s, 0};
    for (const Tier tier : {Tier::kNode, Tier::kRack}) {
      const int a = tree_.ancestor(message.from, tier);
      const int b = tree_.ancestor(message.to, tier);
      if (a != b && link_row_[at(a)] > 0) {
        put(link_row_[at(a)], message, wire);
      }
      if (a != b && link_row_[at(b)] > 0) {
        put(link_row_[at(b)] + 1, message, wire);
      }
    }
  }

  std::vector<GanttRow> take() {
    for (GanttRow& row : rows_) {
      assign_lanes(row);
    }
    return std::move(rows_);
  }

 private:
  void add(GanttRow::Kind kind, std::string name, int rank) {
    GanttRow& row = rows_.emplace_back();
    row.kind = kind;
    row.name = std::move(name);
    row.rank = rank;
  }
  void put(size_t row, const TimedMessage& message, const GanttBar& bar) {
    rows_[row].bars.push_back(bar);
    rows_[row].bytes += message.bytes;
  }

  const topology::LocalityTree& tree_;
  std::vector<size_t> link_row_;  ///< by tree node: its egress row, the next is its ingress; 0: none
  std::vector<GanttRow> rows_;
};

/// Writes events; a big trace never exists as a JSON value.
class Trace {
 public:
  void name(const char* what, int process, int thread, const std::string& name) {
    event(fmt::format(R"("ph":"M","name":"{}","pid":{},"tid":{},"args":{{"name":{}}})", what, process, thread,
                      json::Value(name).dump()));
  }

  void bar(int process, int thread, const GanttBar& bar, const TimedMessage& message) {
    event(fmt::format(
        R"("ph":"X","name":"{} -> {}","cat":"step {}","pid":{},"tid":{},"ts":{:.4f},"dur":{:.4f},"args":{{"from":{},"to":{},"bytes":{},"step":{}}})",
        message.from, message.to, message.step, process, thread, bar.start_s * 1e6, (bar.end_s - bar.start_s) * 1e6,
        message.from, message.to, message.bytes, message.step));
  }

  std::string finish() { return "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n" + events_ + "\n]}\n"; }

 private:
  void event(const std::string& members) {
    events_ += events_.empty() ? "{" : ",\n{";
    events_ += members + "}";
  }

  std::string events_;
};

}  // namespace

Gantt make_gantt(const topology::LocalityTree& tree, const cost::CostModel& model, std::vector<TimedMessage> messages,
                 double total_s) {
  Gantt gantt;
  gantt.total_s = total_s;
  gantt.messages = std::move(messages);
  Rows rows(tree, model);
  for (size_t i = 0; i < gantt.messages.size(); ++i) {
    const TimedMessage& message = gantt.messages[i];
    check(tree, message);
    if (message.done_s > message.issue_s) {
      rows.place(message, i);
    }
  }
  gantt.rows = rows.take();
  return gantt;
}

std::string render_gantt_trace(const Gantt& gantt) {
  Trace trace;
  int links = 0;
  int last_process = -1;
  int first_thread = 0;
  for (const GanttRow& row : gantt.rows) {
    const int process = row.rank >= 0 ? row.rank : 1'000'000 + links++;
    if (process != last_process) {
      trace.name("process_name", process, 0, row.name);
      first_thread = 0;
      last_process = process;
    }
    const char* what = row.kind == GanttRow::kSends ? "sends" : row.kind == GanttRow::kReceives ? "receives" : "wire";
    for (int lane = 0; lane < row.num_lanes; ++lane) {
      trace.name("thread_name", process, first_thread + lane, lane == 0 ? what : fmt::format("{} {}", what, lane + 1));
    }
    for (const GanttBar& bar : row.bars) {
      trace.bar(process, first_thread + bar.lane, bar, gantt.messages[bar.message]);
    }
    first_thread += row.num_lanes;
  }
  return trace.finish();
}

}  // namespace banyan::planner
