// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <string>

#include "base/parse.hpp"
#include "topology/limits.hpp"
#include "topology/names.hpp"
#include "topology/synthetic.hpp"

namespace banyan::topology {
namespace {

constexpr long kMaxSyntheticHosts = 65536;
constexpr long kMaxSyntheticRanks = 131072;
constexpr long kMaxRails = 64;
constexpr long kMaxNuma = 64;
constexpr size_t kMaxDescriptionBytes = 65536;

/// Throws ParseError, which parse_synthetic turns into a result. Columns count from 1.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  SyntheticSpec run() {
    if (text_.size() > kMaxDescriptionBytes) {
      fail(fmt::format("description longer than {} bytes", kMaxDescriptionBytes));
    }
    skip_blanks();
    parse_hosts();
    std::set<std::string> seen;
    while (true) {
      const bool separated = skip_blanks();
      if (position_ == text_.size()) {
        break;
      }
      if (!separated) {
        fail("expected a blank");
      }
      const size_t begin = position_;
      const std::string name(word("abcdefghijklmnopqrstuvwxyz"));
      if (!seen.insert(name).second) {
        fail_at(begin, name + " appears twice");
      }
      parse_option(name, begin);
      const int most = *std::max_element(spec_.ranks_per_host.begin(), spec_.ranks_per_host.end());
      if (spec_.nvlink_bytes_per_s > 0 && static_cast<size_t>(most) > kMaxGpusPerHost) {
        fail_at(begin, fmt::format("nvlink= takes at most {} ranks per host", kMaxGpusPerHost));
      }
    }
    return std::move(spec_);
  }

 private:
  [[noreturn]] static void fail_at(size_t position, const std::string& message) {
    throw ParseError{message, 1, static_cast<int>(position) + 1};
  }
  [[noreturn]] void fail(const std::string& message) const { fail_at(position_, message); }

  bool skip_blanks() {
    const size_t begin = position_;
    position_ = std::min(text_.find_first_not_of(" \t\r\n", begin), text_.size());
    return position_ > begin;
  }
  bool accept(char c) {
    if (position_ == text_.size() || text_[position_] != c) {
      return false;
    }
    ++position_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) {
      fail(fmt::format("expected '{}'", c));
    }
  }
  std::string_view word(std::string_view characters) {
    const size_t begin = position_;
    position_ = std::min(text_.find_first_not_of(characters, begin), text_.size());
    return text_.substr(begin, position_ - begin);
  }

  long count(const char* what, long max) {
    const size_t begin = position_;
    const auto value = parse::integer(word("0123456789"));
    if (!value || *value < 1 || *value > max) {
      fail_at(begin, fmt::format("expected the number of {}, 1 to {}", what, max));
    }
    return *value;
  }
  double rate() {
    const size_t begin = position_;
    const auto value = parse::rate_bytes_per_s(word("0123456789.abcdefghijklmnopqrstuvwyzABCDEFGHIJKLMNOPQRSTUVWXYZ/"));
    if (!value) {
      fail_at(begin, "expected a rate such as 10gbit or 2.5GB/s");
    }
    return *value;
  }

  /// One value for all, or "[a,b x3,...]" with exactly `size` values.
  template <typename Value, typename ParseValue>
  std::vector<Value> value_or_list(size_t size, const char* of_what, ParseValue parse_value) {
    const size_t begin = position_;
    if (!accept('[')) {
      return std::vector<Value>(size, parse_value());
    }
    const std::vector<Value> values = rest_of_list<Value>(size, parse_value);
    if (values.size() != size) {
      fail_at(begin, fmt::format("the list has {} values for {} {}", values.size(), size, of_what));
    }
    return values;
  }
  template <typename Value, typename ParseValue>
  std::vector<Value> rest_of_list(size_t max_size, ParseValue parse_value) {
    std::vector<Value> values;
    do {
      skip_blanks();
      const Value value = parse_value();
      skip_blanks();
      const long times = accept('x') ? count("repetitions", kMaxSyntheticRanks) : 1;
      if (values.size() + static_cast<size_t>(times) > max_size) {
        fail(fmt::format("the list has more than {} values", max_size));
      }
      values.insert(values.end(), static_cast<size_t>(times), value);
      skip_blanks();
    } while (accept(','));
    expect(']');
    return values;
  }

  void parse_hosts() {
    const long hosts = count("hosts", kMaxSyntheticHosts);
    expect(':');
    const size_t begin = position_;
    spec_.ranks_per_host = value_or_list<int>(static_cast<size_t>(hosts), "hosts", [this] {
      return static_cast<int>(count("ranks per host", kMaxSyntheticRanks));
    });
    const long ranks = std::accumulate(spec_.ranks_per_host.begin(), spec_.ranks_per_host.end(), 0L);
    if (ranks > kMaxSyntheticRanks) {
      fail_at(begin, fmt::format("{} ranks; at most {} are supported", ranks, kMaxSyntheticRanks));
    }
  }

  void parse_racks() {
    const size_t hosts = spec_.ranks_per_host.size();
    const size_t begin = position_;
    const auto hosts_in_rack = [&] { return static_cast<int>(count("hosts per rack", static_cast<long>(hosts))); };
    if (accept('[')) {
      spec_.hosts_per_rack = rest_of_list<int>(hosts, hosts_in_rack);
      const long sum = std::accumulate(spec_.hosts_per_rack.begin(), spec_.hosts_per_rack.end(), 0L);
      if (sum != static_cast<long>(hosts)) {
        fail_at(begin, fmt::format("racks hold {} hosts, there are {}", sum, hosts));
      }
      return;
    }
    const auto racks = static_cast<size_t>(count("racks", static_cast<long>(hosts)));
    for (size_t rack = 0; rack < racks; ++rack) {
      spec_.hosts_per_rack.push_back(static_cast<int>((rack + 1) * hosts / racks - rack * hosts / racks));
    }
  }

  void parse_option(const std::string& name, size_t begin) {
    if (name.empty() || !accept('=')) {
      fail_at(begin, "expected name=value");
    }
    const auto one_rate = [this] { return rate(); };
    if (name == "nic") {
      spec_.nic_bytes_per_s = value_or_list<double>(spec_.ranks_per_host.size(), "hosts", one_rate);
    } else if (name == "rails") {
      spec_.rails = static_cast<int>(count("rails", kMaxRails));
    } else if (name == "racks") {
      parse_racks();
    } else if (name == "uplink") {
      const size_t racks = spec_.hosts_per_rack.size();
      if (racks == 0) {
        fail_at(begin, "uplink= must follow racks=");
      }
      spec_.uplink_bytes_per_s = value_or_list<double>(racks, "racks", one_rate);
    } else if (name == "memory") {
      spec_.memory_bytes_per_s = rate();
    } else if (name == "numa") {
      spec_.numa_per_host = static_cast<int>(count("NUMA nodes", kMaxNuma));
    } else if (name == "nvlink") {
      spec_.nvlink_bytes_per_s = rate();
    } else if (name == "order") {
      parse_order();
    } else {
      fail_at(begin, "unknown option \"" + to_plain_text(name, 32) +
                         "\"; expected nic, rails, racks, uplink, memory, numa, nvlink or order");
    }
  }

  void parse_order() {
    const size_t begin = position_;
    const std::string_view order = word("abcdefghijklmnopqrstuvwxyz");
    if (order != "block" && order != "cyclic") {
      fail_at(begin, "expected block or cyclic");
    }
    spec_.cyclic = order == "cyclic";
  }

  std::string_view text_;
  size_t position_ = 0;
  SyntheticSpec spec_;
};

}  // namespace

Result<SyntheticSpec> parse_synthetic(std::string_view description) {
  try {
    return Parser(description).run();
  } catch (const ParseError& error) {
    return error;
  }
}

}  // namespace banyan::topology
