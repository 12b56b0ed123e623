// SPDX-License-Identifier: Apache-2.0
// An exchange in time.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "planner/quantity_text.hpp"
#include "planner/render.hpp"
#include "planner/svg.hpp"

namespace banyan::planner {
namespace {

constexpr double kMargin = 16;
constexpr double kLeft = 150;
constexpr double kTop = 78;
constexpr double kRoom = 900;
constexpr double kRight = 110;
constexpr double kRowGap = 4;
constexpr double kLaneHeight = 6;
constexpr double kLeastRow = 13;
constexpr double kMostRow = 42;
constexpr size_t kMaxRankRows = 64;
constexpr size_t kMaxLinkRows = 32;
constexpr size_t kMaxBars = 8000;
constexpr int kMaxLegend = 8;

/// 1, 2 or 5 times a power of ten, so that at most ten fit into `total`.
double tick_for(double total) {
  const double power = std::pow(10, std::floor(std::log10(total / 10)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (total / (factor * power) <= 10) {
      return factor * power;
    }
  }
  return 10 * power;
}

/// Draws one exchange. One use.
class Chart {
 public:
  explicit Chart(const Gantt& gantt) : gantt_(gantt), scale_(gantt.total_s > 0 ? kRoom / gantt.total_s : 0) {
    choose_rows();
    choose_bars();
  }

  std::string run() {
    head();
    double y = kTop;
    for (const GanttRow* row : rows_) {
      y += draw(*row, y) + kRowGap;
    }
    ticks(y);
    return svg_.finish(kLeft + kRoom + kRight, y + kMargin + 14, "Messages in time");
  }

 private:
  void choose_rows() {
    std::vector<const GanttRow*> links;
    size_t ranks = 0;
    for (const GanttRow& row : gantt_.rows) {
      ranks += row.kind == GanttRow::kSends ? 1 : 0;
      if (row.kind == GanttRow::kSends && rows_.size() < kMaxRankRows) {
        rows_.push_back(&row);
      } else if (row.kind == GanttRow::kLink) {
        links.push_back(&row);
      }
    }
    hidden_rows_ = ranks - rows_.size();
    if (links.size() > kMaxLinkRows) {
      std::stable_sort(links.begin(), links.end(),
                       [](const GanttRow* a, const GanttRow* b) { return a->bytes > b->bytes; });
      hidden_rows_ += links.size() - kMaxLinkRows;
      links.resize(kMaxLinkRows);
    }
    rows_.insert(rows_.end(), links.begin(), links.end());
  }

  /// Bars shorter than this are left out.
  void choose_bars() {
    std::vector<double> lengths;
    for (const GanttRow* row : rows_) {
      for (const GanttBar& bar : row->bars) {
        lengths.push_back(bar.end_s - bar.start_s);
        steps_.insert(gantt_.messages[bar.message].step);
      }
    }
    if (lengths.size() > kMaxBars) {
      hidden_bars_ = lengths.size() - kMaxBars;
      std::nth_element(lengths.begin(), lengths.begin() + kMaxBars, lengths.end(), std::greater<>());
      shortest_ = lengths[kMaxBars];
      left_ = kMaxBars;
    } else {
      left_ = lengths.size();
    }
  }

  void head() {
    svg_.text(kMargin, 24, "Messages in time: " + seconds_text(gantt_.total_s) + " in all", "title");
    std::string note = "rows of ranks: what they send, from issue to arrival; rows of links: what crosses them";
    if (hidden_rows_ + hidden_bars_ > 0) {
      note += fmt::format("; not drawn: {} rows, {} shortest messages", hidden_rows_, hidden_bars_);
    }
    svg_.text(kMargin, 42, note, "note");
    double x = kMargin;
    int shown = 0;
    for (const int step : steps_) {
      if (shown++ < kMaxLegend) {
        svg_.rect(x, 52, 12, 10, number_colour(step));
        svg_.text(x + 16, 61, fmt::format("step {}", step), "note");
        x += 74;
      }
    }
  }

  double draw(const GanttRow& row, double y) {
    const double height = std::clamp(kLaneHeight * row.num_lanes, kLeastRow, kMostRow);
    const double lane_height = height / std::max(1, row.num_lanes);
    svg_.rect(kLeft, y, kRoom, height, row.kind == GanttRow::kLink ? "#f3f0ea" : "#f0f3f7");
    svg_.text(kLeft - 8, y + height / 2 + 4, row.name, "note", "end");
    if (gantt_.total_s > 0) {
      svg_.text(kLeft + kRoom + 6, y + height / 2 + 4,
                fmt::format("{:.0f} %, {}", 100 * row.busy_s / gantt_.total_s, bytes_text(row.bytes)), "note");
    }
    for (const GanttBar& bar : row.bars) {
      const TimedMessage& message = gantt_.messages[bar.message];
      if (bar.end_s - bar.start_s < shortest_ || left_ == 0) {
        continue;
      }
      --left_;
      svg_.rect(kLeft + bar.start_s * scale_, y + bar.lane * lane_height,
                std::max(0.3, (bar.end_s - bar.start_s) * scale_ - 0.3), std::max(0.5, lane_height - 0.5),
                number_colour(message.step),
                fmt::format("{} -> {}, step {}, {}, {} to {}", message.from, message.to, message.step,
                            bytes_text(message.bytes), seconds_text(bar.start_s), seconds_text(bar.end_s)));
    }
    return height;
  }

  void ticks(double bottom) {
    if (gantt_.total_s <= 0) {
      return;
    }
    const double tick = tick_for(gantt_.total_s);
    for (int i = 0; i * tick <= gantt_.total_s; ++i) {
      const double x = kLeft + i * tick * scale_;
      svg_.line(x, kTop - 4, x, bottom, "#0002");
      svg_.text(x, bottom + 14, seconds_text(i * tick), "note", "middle");
    }
  }

  const Gantt& gantt_;
  double scale_;
  std::vector<const GanttRow*> rows_;
  std::set<int> steps_;
  double shortest_ = 0;
  size_t left_ = 0;  ///< bars that may still be drawn
  size_t hidden_rows_ = 0;
  size_t hidden_bars_ = 0;
  Svg svg_;
};

}  // namespace

std::string render_gantt_svg(const Gantt& gantt) { return Chart(gantt).run(); }

}  // namespace banyan::planner
