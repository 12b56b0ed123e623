// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/xml_text.hpp"
#include "cost/quantity.hpp"
#include "cost/render.hpp"

namespace banyan::cost {
namespace {

constexpr int kLeft = 150;  ///< room for the senders' names
constexpr int kTop = 150;   ///< title and the receivers' names
constexpr int kBarHeight = 14;
constexpr int kMargin = 20;
constexpr size_t kMaxLabel = 16;
constexpr int kLegendSteps = 24;

struct Colour {
  double r, g, b;
};

/// Light to dark in even steps of lightness, also for colour-blind readers: sampled from ColorBrewer's YlGnBu
/// (colorbrewer2.org, Apache-2.0).
constexpr std::array kRamp = {Colour{255, 255, 217}, Colour{199, 233, 180}, Colour{65, 182, 196}, Colour{34, 94, 168},
                              Colour{8, 29, 88}};

Colour colour_at(double position) {
  const double x = std::clamp(position, 0.0, 1.0) * static_cast<double>(kRamp.size() - 1);
  const size_t low = std::min(static_cast<size_t>(x), kRamp.size() - 2);
  const double part = x - static_cast<double>(low);
  const auto mix = [&](double a, double b) { return a + (b - a) * part; };
  return {mix(kRamp[low].r, kRamp[low + 1].r), mix(kRamp[low].g, kRamp[low + 1].g),
          mix(kRamp[low].b, kRamp[low + 1].b)};
}

std::string hex(const Colour& colour) {
  const auto byte = [](double value) { return static_cast<int>(std::lround(value)); };
  return fmt::format("#{:02x}{:02x}{:02x}", byte(colour.r), byte(colour.g), byte(colour.b));
}

/// Black or white, whichever the eye reads better on `colour` (relative luminance, ITU-R BT.709).
const char* ink_on(const Colour& colour) {
  return 0.2126 * colour.r + 0.7152 * colour.g + 0.0722 * colour.b > 140 ? "#000" : "#fff";
}

std::string escaped(const std::string& text) { return xml_text(text, /*keeps_lines=*/false); }

/// The first characters of a name, never half a UTF-8 one.
std::string label(const std::string& name) {
  if (name.size() <= kMaxLabel) {
    return escaped(name);
  }
  size_t end = kMaxLabel - 2;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80) {
    --end;
  }
  return escaped(name.substr(0, end)) + "..";
}

/// The rates' common unit, so that cells hold short numbers.
struct Unit {
  double bytes_per_s = 1;
  const char* name = "B/s";
};

Unit unit_for(double largest) {
  constexpr std::array kUnits = {Unit{1e12, "TB/s"}, Unit{1e9, "GB/s"}, Unit{1e6, "MB/s"}, Unit{1e3, "kB/s"}};
  for (const Unit& unit : kUnits) {
    if (largest >= unit.bytes_per_s) {
      return unit;
    }
  }
  return {};
}

/// Draws one profile. Colours are by the logarithm of the rate: networks differ by factors.
class HeatMap {
 public:
  explicit HeatMap(const Profile& profile)
      : profile_(profile),
        hosts_(std::min(profile.hosts.size(), kMaxHeatMapHosts)),
        cell_(hosts_ <= 8    ? 56
              : hosts_ <= 24 ? 40
                             : 30) {
    for (size_t from = 0; from < hosts_; ++from) {
      for (size_t to = 0; to < hosts_; ++to) {
        see(pair(from, to));
      }
      see(profile.hosts[from].egress_bytes_per_s);
      see(profile.hosts[from].ingress_bytes_per_s);
    }
    unit_ = unit_for(largest_);
  }

  std::string draw() {
    const int side = static_cast<int>(hosts_) * cell_;
    width_ = std::max(kLeft + side + kMargin, 560);
    title();
    cells();
    const int legend_y = kTop + side + 30;
    legend(legend_y);
    const int height = totals(legend_y + 60);
    return fmt::format(
               "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
               "font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n<title>Host-to-host rates</title>\n"
               "<rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n",
               width_, height) +
           body_ + "</svg>\n";
  }

 private:
  [[nodiscard]] double pair(size_t from, size_t to) const {
    const size_t n = profile_.hosts.size();
    return profile_.host_pair_bytes_per_s.size() == n * n ? profile_.host_pair_bytes_per_s[from * n + to] : 0;
  }
  void see(double rate) {
    if (rate > 0) {
      largest_ = std::max(largest_, rate);
      smallest_ = smallest_ > 0 ? std::min(smallest_, rate) : rate;
    }
  }
  [[nodiscard]] Colour colour_of(double rate) const {
    return colour_at(largest_ > smallest_ ? std::log(rate / smallest_) / std::log(largest_ / smallest_) : 0.5);
  }
  [[nodiscard]] std::string number(double rate) const { return show_three_digits(rate / unit_.bytes_per_s); }

  void text(double x, double y, const std::string& content, const std::string& attributes = "") {
    body_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\"{}>{}</text>\n", x, y,
                         attributes.empty() ? "" : " " + attributes, content);
  }

  void title() {
    text(kMargin, 26, "Host-to-host rates", "font-size=\"18\" font-weight=\"bold\"");
    std::string shown = fmt::format("{} ranks on {} hosts over {}, {}; sender by row, receiver by column, {}",
                                    profile_.num_ranks, profile_.hosts.size(), label(profile_.transport),
                                    escaped(profile_.created.substr(0, 20)), unit_.name);
    text(kMargin, 46, shown, "fill=\"#444\"");
    if (hosts_ < profile_.hosts.size()) {
      text(kMargin, 64, fmt::format("the first {} hosts", hosts_), "fill=\"#444\"");
    }
  }

  void cells() {
    const int font = cell_ >= 40 ? 12 : 10;
    for (size_t i = 0; i < hosts_; ++i) {
      const double middle = static_cast<double>(cell_) * (static_cast<double>(i) + 0.5);
      const std::string name = label(profile_.hosts[i].name);
      text(kLeft - 8, kTop + middle + 4, name, "text-anchor=\"end\"");
      text(0, 0, name, fmt::format("transform=\"translate({:.1f},{}) rotate(-45)\"", kLeft + middle + 4, kTop - 8));
    }
    for (size_t from = 0; from < hosts_; ++from) {
      for (size_t to = 0; to < hosts_; ++to) {
        cell(from, to, font);
      }
    }
  }

  void cell(size_t from, size_t to, int font) {
    const double rate = pair(from, to);
    const int x = kLeft + static_cast<int>(to) * cell_;
    const int y = kTop + static_cast<int>(from) * cell_;
    const std::string fill = rate > 0 ? hex(colour_of(rate)) : "#eee";
    body_ += fmt::format(
        "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\" stroke=\"#fff\"><title>{} to {}: {}</title>"
        "</rect>\n",
        x, y, cell_, cell_, fill, escaped(profile_.hosts[from].name), escaped(profile_.hosts[to].name),
        rate > 0 ? show_rate(rate) : "not measured");
    if (rate > 0) {
      text(x + cell_ / 2.0, y + cell_ / 2.0 + font / 3.0, number(rate),
           fmt::format("text-anchor=\"middle\" font-size=\"{}\" fill=\"{}\"", font, ink_on(colour_of(rate))));
    }
  }

  void legend(int y) {
    if (!(largest_ > 0)) {
      text(kLeft, y + 12, "no rate between hosts was measured", "fill=\"#444\"");
      return;
    }
    constexpr int kStepWidth = 12;
    for (int i = 0; i < kLegendSteps; ++i) {
      body_ += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"14\" fill=\"{}\"/>\n", kLeft + i * kStepWidth,
                           y, kStepWidth, hex(colour_at(i / (kLegendSteps - 1.0))));
    }
    const double middle = std::sqrt(smallest_ * largest_);
    const int length = kLegendSteps * kStepWidth;
    text(kLeft, y + 30, show_rate(smallest_));
    text(kLeft + length / 2.0, y + 30, show_rate(middle), "text-anchor=\"middle\"");
    text(kLeft + length, y + 30, show_rate(largest_), "text-anchor=\"end\"");
    text(kLeft - 8, y + 12, "rate (log scale)", "text-anchor=\"end\"");
  }

  /// Bars of what each host reached with all its ranks at work; returns the picture's height.
  int totals(int y) {
    text(kMargin, y, "All ranks of a host at once", "font-size=\"14\" font-weight=\"bold\"");
    y += 14;
    const int room = width_ - kLeft - 110;
    for (size_t i = 0; i < hosts_; ++i) {
      const HostProfile& host = profile_.hosts[i];
      text(kLeft - 8, y + kBarHeight + 4, label(host.name), "text-anchor=\"end\"");
      bar(y, room, host.egress_bytes_per_s, "out");
      bar(y + kBarHeight, room, host.ingress_bytes_per_s, "in");
      y += 2 * kBarHeight + 8;
    }
    return y + kMargin;
  }

  void bar(int y, int room, double rate, const char* direction) {
    const double length = largest_ > 0 ? std::max(1.0, rate / largest_ * room) : 1.0;
    const std::string fill = rate > 0 ? hex(colour_of(rate)) : "#eee";
    body_ += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\" fill=\"{}\" stroke=\"#ccc\"/>\n",
                         kLeft, y, length, kBarHeight - 2, fill);
    text(kLeft + length + 4, y + kBarHeight - 4,
         fmt::format("{} {}", direction, rate > 0 ? show_rate(rate) : "not measured"), "font-size=\"10\"");
  }

  const Profile& profile_;
  size_t hosts_;
  int cell_;
  int width_ = 0;
  double smallest_ = 0;
  double largest_ = 0;
  Unit unit_;
  std::string body_;
};

}  // namespace

std::string render_profile_svg(const Profile& profile) { return HeatMap(profile).draw(); }

}  // namespace banyan::cost
