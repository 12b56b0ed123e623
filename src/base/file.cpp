// SPDX-License-Identifier: Apache-2.0
#include "base/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace banyan::file {
namespace {

Error io_error(const char* what, const std::string& path) {
  const banyan_status status = errno == ENOENT ? BANYAN_ERR_NOT_FOUND : BANYAN_ERR_IO;
  return {status, std::string("cannot ") + what + " " + path + ": " + std::strerror(errno)};
}

void write_all(int fd, const std::string& content, const std::string& path) {
  size_t done = 0;
  while (done < content.size()) {
    const ssize_t n = ::write(fd, content.data() + done, content.size() - done);
    if (n < 0 && errno != EINTR) {
      throw io_error("write", path);
    }
    done += n > 0 ? static_cast<size_t>(n) : 0;
  }
}

}  // namespace

std::string read(const std::string& path, size_t max_bytes) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) {
    throw io_error("open", path);
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) {
    throw io_error("stat", path);
  }
  if (!S_ISREG(info.st_mode)) {
    throw Error(BANYAN_ERR_IO, path + " is not a regular file");
  }
  std::string content;
  char buffer[65536];
  while (true) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n == 0) {
      return content;
    }
    if (n < 0) {
      if (errno == EINTR) {
        continue;
      }
      throw io_error("read", path);
    }
    if (content.size() + static_cast<size_t>(n) > max_bytes) {
      throw Error(BANYAN_ERR_LIMIT, path + " is longer than the limit of " + std::to_string(max_bytes) + " bytes");
    }
    content.append(buffer, static_cast<size_t>(n));
  }
}

void write_atomically(const std::string& path, const std::string& content) {
  std::string temporary = path + ".XXXXXX";
  {
    const Fd fd(::mkostemp(temporary.data(), O_CLOEXEC));
    if (!fd) {
      throw io_error("create a temporary file beside", path);
    }
    try {
      write_all(fd.get(), content, temporary);
      if (::fchmod(fd.get(), 0644) != 0 || ::fsync(fd.get()) != 0) {
        throw io_error("write", temporary);
      }
    } catch (...) {
      ::unlink(temporary.c_str());
      throw;
    }
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const Error error = io_error("replace", path);
    ::unlink(temporary.c_str());
    throw error;
  }
}

}  // namespace banyan::file
