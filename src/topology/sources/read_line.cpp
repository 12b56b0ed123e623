// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include <array>

#include "base/fd.hpp"
#include "base/parse.hpp"
#include "topology/sources/sources.hpp"

namespace banyan::topology {

std::string read_line(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) {
    return {};
  }
  std::array<char, 4096> buffer;
  const ssize_t size = ::read(file.get(), buffer.data(), buffer.size());  // sysfs answers EINVAL for "unknown"
  if (size <= 0) {
    return {};
  }
  const std::string_view text(buffer.data(), static_cast<size_t>(size));
  return std::string(parse::trim(text.substr(0, text.find('\n'))));
}

}  // namespace banyan::topology
