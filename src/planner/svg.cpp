// SPDX-License-Identifier: Apache-2.0
#include "planner/svg.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "planner/quantity_text.hpp"

namespace banyan::planner {
namespace {

constexpr size_t kMaxText = 160;

struct Colour {
  double r, g, b;
};

/// ColorBrewer's YlGnBu without its lightest (colorbrewer2.org, Apache-2.0): lines must show on white.
constexpr std::array kRamp = {Colour{161, 218, 180}, Colour{65, 182, 196}, Colour{34, 94, 168}, Colour{8, 29, 88}};

/// Okabe and Ito's palette (Color Universal Design, 2008).
constexpr std::array kNumbers = {"#0072b2", "#e69f00", "#009e73", "#cc79a7",
                                 "#56b4e9", "#d55e00", "#f0e442", "#666666"};

std::string tip_element(const std::string& tip) { return tip.empty() ? "" : "<title>" + xml_text(tip) + "</title>"; }

}  // namespace

void Svg::text(double x, double y, const std::string& content, const char* kind, const char* anchor) {
  body_ += fmt::format("<text class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", kind, x, y,
                       anchor, xml_label(content, kMaxText));
}

void Svg::rect(double x, double y, double width, double height, const std::string& fill, const std::string& tip) {
  body_ += fmt::format("<rect x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\" fill=\"{}\"", x, y, width,
                       height, fill);
  body_ += tip.empty() ? "/>\n" : ">" + tip_element(tip) + "</rect>\n";
}

void Svg::box(double x, double y, double width, double height) {
  body_ += fmt::format("<rect class=\"box\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" rx=\"5\"/>\n",
                       x, y, width, height);
}

void Svg::line(double x1, double y1, double x2, double y2, const std::string& stroke, double width) {
  body_ +=
      fmt::format("<path d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}\" stroke=\"{}\" stroke-width=\"{:.1f}\" fill=\"none\"/>\n",
                  x1, y1, x2, y2, stroke, width);
}

void Svg::edge(double x1, double y1, double bend, double x2, double y2, const std::string& stroke, double width,
               const std::string& tip) {
  body_ += fmt::format(
      "<path d=\"M{:.1f} {:.1f}H{:.1f}V{:.1f}H{:.1f}\" stroke=\"{}\" stroke-width=\"{:.1f}\" fill=\"none\">{}</path>\n",
      x1, y1, bend, y2, x2, stroke, width, tip_element(tip));
}

std::string Svg::finish(double width, double height, const std::string& title) const {
  return fmt::format(
             "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} "
             "{1:.0f}\" role=\"img\">\n<title>{2}</title>\n",
             width, height, xml_text(title)) +
         "<style>text{font:12px sans-serif;fill:#222}.note{fill:#555;font-size:11px}.title{font-size:15px;font-weight:"
         "bold}.box{fill:#fff;stroke:#445;stroke-width:1.2}</style>\n<rect width=\"100%\" height=\"100%\" "
         "fill=\"#fff\"/>\n" +
         body_ + "</svg>\n";
}

std::string share_colour(double share) {
  const double x = std::clamp(share, 0.0, 1.0) * static_cast<double>(kRamp.size() - 1);
  const size_t low = std::min(static_cast<size_t>(x), kRamp.size() - 2);
  const double part = x - static_cast<double>(low);
  const auto mix = [&](double a, double b) { return static_cast<int>(std::lround(a + (b - a) * part)); };
  return fmt::format("#{:02x}{:02x}{:02x}", mix(kRamp[low].r, kRamp[low + 1].r), mix(kRamp[low].g, kRamp[low + 1].g),
                     mix(kRamp[low].b, kRamp[low + 1].b));
}

std::string number_colour(int number) { return kNumbers[static_cast<size_t>(std::max(number, 0)) % kNumbers.size()]; }

}  // namespace banyan::planner
