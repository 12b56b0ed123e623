// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/control_frames.hpp"

#include <algorithm>
#include <limits>

namespace banyan::bootstrap {

std::vector<unsigned char> write_abort(const AbortCause& cause) {
  WireWriter writer;
  writer.u32(static_cast<uint32_t>(cause.status)).text(cause.text, kMaxCauseBytes);
  return writer.result();
}

std::optional<AbortCause> read_abort(Bytes payload) {
  WireReader reader(payload);
  const uint32_t status = reader.u32();
  std::string text = reader.text();
  if (!reader.complete() || status <= BANYAN_IN_PROGRESS || status > BANYAN_ERR_INTERNAL) {
    return std::nullopt;
  }
  return AbortCause{.status = static_cast<banyan_status>(status), .text = std::move(text)};
}

std::vector<unsigned char> write_report(const OperationReport& report) {
  WireWriter writer;
  const size_t fields = std::min(report.fields.size(), kMaxReportFields);
  writer.u64(report.sequence).u16(static_cast<uint16_t>(fields));
  for (size_t i = 0; i < fields; ++i) {
    writer.text(report.fields[i].first, kMaxReportTextBytes).text(report.fields[i].second, kMaxReportTextBytes);
  }
  const size_t peers = std::min(report.waiting_for.size(), kMaxReportPeers);
  writer.u16(static_cast<uint16_t>(peers));
  for (size_t i = 0; i < peers; ++i) {
    writer.u32(static_cast<uint32_t>(report.waiting_for[i]));
  }
  return writer.result();
}

std::optional<OperationReport> read_report(Bytes payload) {
  WireReader reader(payload);
  OperationReport report;
  report.sequence = reader.u64();
  const size_t fields = reader.u16();
  if (fields > kMaxReportFields) {
    return std::nullopt;
  }
  for (size_t i = 0; i < fields && reader.ok(); ++i) {
    std::string name = reader.text();
    report.fields.emplace_back(std::move(name), reader.text());
  }
  const size_t peers = reader.u16();
  if (peers > kMaxReportPeers) {
    return std::nullopt;
  }
  for (size_t i = 0; i < peers && reader.ok(); ++i) {
    const uint32_t peer = reader.u32();
    report.waiting_for.push_back(static_cast<int>(std::min<uint32_t>(peer, std::numeric_limits<int>::max())));
  }
  if (!reader.complete()) {
    return std::nullopt;
  }
  return report;
}

}  // namespace banyan::bootstrap
