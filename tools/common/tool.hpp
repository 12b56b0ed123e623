// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/program_options.hpp>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <system_error>

/// What all command line tools do alike: results to stdout, everything else to stderr, and three exit codes.
namespace banyan::tool {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;  ///< the work failed, or what was checked is wrong
inline constexpr int kExitUsage = 2;   ///< the command line is wrong; nothing was done

/// A command line that parses but makes no sense.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Runs `body` (returns the exit code) and turns exceptions into a line on stderr and an exit code.
template <typename Body>
int run(const char* name, Body&& body) {
  namespace po = boost::program_options;
  try {
    return body();
  } catch (const po::error& error) {
    std::cerr << name << ": " << error.what() << "; see " << name << " --help\n";
    return kExitUsage;
  } catch (const UsageError& error) {
    std::cerr << name << ": " << error.what() << "; see " << name << " --help\n";
    return kExitUsage;
  } catch (const std::exception& error) {
    std::cerr << name << ": " << error.what() << '\n';
    return kExitFailed;
  }
}

/// Throws if write_output could not write there: before work whose result it is to hold. Leaves what the file has.
inline void check_output(const std::string& path) {
  std::FILE* file = path.empty() || path == "-" ? stdout : std::fopen(path.c_str(), "ab");
  if (file == nullptr) {
    throw std::system_error(errno, std::generic_category(), "can not open " + path);
  }
  if (file != stdout) {
    std::fclose(file);
  }
}

/// Writes the text to stdout ("-" or empty) or replaces a file's content. Throws when not all of it could be written.
inline void write_output(const std::string& path, const std::string& text) {
  const bool to_stdout = path.empty() || path == "-";
  std::FILE* file = to_stdout ? stdout : std::fopen(path.c_str(), "wb");
  if (file == nullptr) {
    throw std::system_error(errno, std::generic_category(), "can not open " + path);
  }
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size() && std::fflush(file) == 0;
  const int error = errno;
  if (!to_stdout && std::fclose(file) != 0 && written) {
    throw std::system_error(errno, std::generic_category(), "can not write " + path);
  }
  if (!written) {
    throw std::system_error(error, std::generic_category(), "can not write " + (to_stdout ? "to stdout" : path));
  }
}

}  // namespace banyan::tool
