// SPDX-License-Identifier: Apache-2.0
#include "topology/link_speed.hpp"

#include "base/parse.hpp"

namespace banyan::topology {

std::optional<double> parse_gt_per_s(std::string_view text) {
  const size_t unit = text.find("GT/s");
  if (unit == std::string_view::npos) {
    return std::nullopt;
  }
  const auto value = parse::real(parse::trim(text.substr(0, unit)));
  return value && *value > 0 && *value <= 1024 ? value : std::nullopt;
}

double pci_bandwidth_bytes_per_s(double gt_per_s, int width) {
  if (!(gt_per_s > 0) || width <= 0 || width > 64) {
    return 0;
  }
  const double line_code = gt_per_s <= 5 ? 8.0 / 10 : gt_per_s <= 32 ? 128.0 / 130 : 242.0 / 256;
  return gt_per_s * 1e9 / 8 * line_code * width;
}

double nvlink_bandwidth_bytes_per_s(int compute_capability) {
  if (compute_capability < 60) {
    return 0;
  }
  if (compute_capability < 70) {
    return 20e9;
  }
  if (compute_capability == 86) {
    return 14e9;
  }
  return compute_capability < 100 ? 25e9 : 50e9;
}

}  // namespace banyan::topology
