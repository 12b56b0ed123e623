// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/log.hpp"
#include "bootstrap/launch.hpp"
#include "bootstrap/socket.hpp"

namespace banyan::bootstrap {
namespace {

constexpr size_t kMaxSecretFileBytes = 1024;

Secret read_secret_file(const std::string& path) {
  const std::string origin = "BANYAN_JOB_SECRET_FILE " + path;
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0) {
    throw Error(BANYAN_ERR_AUTH, origin + " cannot be read: " + errno_text(errno));
  }
  if (!S_ISREG(info.st_mode)) {
    throw Error(BANYAN_ERR_AUTH, origin + " is not a plain file");
  }
  if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    throw Error(BANYAN_ERR_AUTH, fmt::format("{} has mode {:04o}, so others can use it: chmod 600 it, and make a new "
                                             "secret",
                                             origin, info.st_mode & 07777));
  }
  if (info.st_uid != ::geteuid() && info.st_uid != 0) {
    throw Error(BANYAN_ERR_AUTH,
                fmt::format("{} belongs to user {}, not to user {} or root", origin, info.st_uid, ::geteuid()));
  }
  std::array<char, kMaxSecretFileBytes> text{};
  const ssize_t count = ::read(fd.get(), text.data(), text.size());
  if (count < 0) {
    throw Error(BANYAN_ERR_AUTH, origin + " cannot be read: " + errno_text(errno));
  }
  Secret secret = Secret::from_hex({text.data(), static_cast<size_t>(count)}, origin);
  wipe({reinterpret_cast<unsigned char*>(text.data()), text.size()});
  return secret;
}

}  // namespace

Secret job_secret(const EnvironmentLookup& lookup) {
  if (const auto path = lookup("BANYAN_JOB_SECRET_FILE")) {
    return read_secret_file(*path);
  }
  if (auto text = lookup("BANYAN_JOB_SECRET")) {
    Secret secret = Secret::from_hex(*text, "BANYAN_JOB_SECRET");
    wipe({reinterpret_cast<unsigned char*>(text->data()), text->size()});
    return secret;
  }
  if (lookup("BANYAN_INSECURE").value_or("0") == "1") {
    BANYAN_LOG(kWarn, "bootstrap", "BANYAN_INSECURE=1: any process that reaches the port can join this job");
    return {};
  }
  throw Error(
      BANYAN_ERR_AUTH,
      "the ranks of this job have no common secret to know each other by: set BANYAN_JOB_SECRET_FILE on every host "
      "to a file of mode 0600 with 64 hex digits (make them with: openssl rand -hex 32), or BANYAN_JOB_SECRET to "
      "the digits. On a network that you trust, BANYAN_INSECURE=1 goes without");
}

}  // namespace banyan::bootstrap
