// SPDX-License-Identifier: Apache-2.0
#include "progress.hpp"

#include <cstdio>
#include <string>

namespace {

constexpr int kWidth = 24;
constexpr const char* kClearLine = "\r\033[K";

/// Probes are named after hosts, whose names come from other machines.
std::string printable(const char* text) {
  std::string result;
  for (; *text != '\0'; ++text) {
    const auto byte = static_cast<unsigned char>(*text);
    result += byte < 0x20 || byte == 0x7f ? '?' : *text;
  }
  return result;
}

}  // namespace

void ProgressBar::show(int done, int total, const char* probe, double eta_s, void* context) {
  static_cast<ProgressBar*>(context)->draw(done, total, probe, eta_s);
}

void ProgressBar::draw(int done, int total, const char* probe, double eta_s) {
  const std::string name = printable(probe);
  if (!on_terminal_) {
    std::fprintf(stderr, "banyan-profile: %d/%d %s, %.0f s left\n", done, total, name.c_str(), eta_s);
    return;
  }
  const int filled = total > 0 ? kWidth * done / total : kWidth;
  const std::string bar =
      std::string(static_cast<size_t>(filled), '#') + std::string(static_cast<size_t>(kWidth - filled), '.');
  std::fprintf(stderr, "%s[%s] %d/%d, %.0f s left: %.40s", kClearLine, bar.c_str(), done, total, eta_s, name.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

void ProgressBar::finish() {
  if (drawn_) {
    std::fputs(kClearLine, stderr);
    drawn_ = false;
  }
}
