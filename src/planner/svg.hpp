// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace banyan::planner {

/// An SVG picture in the making. Texts and attributes are escaped here. One thread.
class Svg {
 public:
  /// `kind`: a class of the style sheet: "name", "note", "title"; `anchor`: "start", "middle" or "end".
  void text(double x, double y, const std::string& content, const char* kind = "name", const char* anchor = "start");
  /// With a `tip`, shown when the pointer rests on it.
  void rect(double x, double y, double width, double height, const std::string& fill, const std::string& tip = "");
  /// A box of a tree with a frame.
  void box(double x, double y, double width, double height);
  void line(double x1, double y1, double x2, double y2, const std::string& stroke, double width = 1);
  /// From (x1, y1) level to `bend`, to the height y2, level to x2.
  void edge(double x1, double y1, double bend, double x2, double y2, const std::string& stroke, double width,
            const std::string& tip);

  /// The whole document.
  [[nodiscard]] std::string finish(double width, double height, const std::string& title) const;

 private:
  std::string body_;
};

/// "#rrggbb" for 0 (light) to 1 (dark), also for colour-blind readers.
[[nodiscard]] std::string share_colour(double share);
/// One of eight fills that colour-blind readers can tell apart, by number.
[[nodiscard]] std::string number_colour(int number);

}  // namespace banyan::planner
