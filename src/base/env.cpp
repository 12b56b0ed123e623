// SPDX-License-Identifier: Apache-2.0
#include "base/env.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>

#include "base/checked.hpp"
#include "base/error.hpp"
#include "base/parse.hpp"

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace banyan::env {
namespace {

constexpr std::array kVariables = {
    Variable{"BANYAN_AGGREGATE_LIMIT", "chosen by the model",
             "All-to-all-v pairs up to this many bytes travel in aggregated messages; \"max\": never aggregate."},
    Variable{"BANYAN_ALGORITHM", "auto", "Algorithm of every all-to-all: auto, direct, hierarchical, ..."},
    Variable{"BANYAN_BOOTSTRAP_TIMEOUT_S", "60", "Deadline of communicator creation, seconds."},
    Variable{"BANYAN_CHUNK_BYTES", "chosen by the model",
             "Large messages to other hosts travel in pieces of at most this size."},
    Variable{"BANYAN_DEVICE_PLUGIN", "cuda", "Plugin of device groups that name none: libbanyan_device_<name>.so."},
    Variable{"BANYAN_HOST_ID", "",
             "Overrides the identity of this host; only ranks with equal identity share memory, where UCX is there."},
    Variable{"BANYAN_INSECURE", "0", "1 allows a bootstrap without a job secret."},
    Variable{"BANYAN_INTERFACE", "", "Network interfaces to use, comma separated, for bootstrap and data."},
    Variable{"BANYAN_JOB_ID", "", "Name of the job; set by banyan-run, bound into the bootstrap's authentication."},
    Variable{"BANYAN_JOB_SECRET", "", "The job secret itself, 64 hex digits; prefer BANYAN_JOB_SECRET_FILE."},
    Variable{"BANYAN_JOB_SECRET_FILE", "", "File of mode 0600 with the job secret, 64 hex digits."},
    Variable{"BANYAN_LAB_TOOLS", "", "Folder with ip and tc for the lab's scripts, made by tools/lab/pack-tools.sh."},
    Variable{"BANYAN_LOCAL_RANK", "", "Number of this rank on its host; set by banyan-run."},
    Variable{"BANYAN_LOCAL_SIZE", "", "Number of ranks on this host; set by banyan-run."},
    Variable{"BANYAN_LOG", "warn", "Log level on stderr: off, error, warn, info, debug, trace."},
    Variable{"BANYAN_NODE_RANK", "", "Number of this host in the job; set by banyan-run."},
    Variable{"BANYAN_OWN_RAIL", "0",
             "1: a rank sends over one network, that of its place in its host, instead of over all."},
    Variable{"BANYAN_PLUGIN_PATH", "", "Colon separated folders searched for plugins before the installed one."},
    Variable{"BANYAN_PMIX_LIBRARY", "libpmix.so.2", "PMIx library to load under launchers that offer PMIx."},
    Variable{"BANYAN_PRELOAD", "on",
             "Of the LD_PRELOAD libraries: on, off to leave all calls to MPI, or observe to look at them too."},
    Variable{
        "BANYAN_PRELOAD_AFTER", "1 or 16",
        "All-to-alls of a communicator that are MPI's before Banyan's; default: 1 of MPI_COMM_WORLD, 16 of others."},
    Variable{"BANYAN_PRELOAD_REPORT", "",
             "Of BANYAN_PRELOAD=observe: file for the report, .json, .html or text; under NCCL PATH.rankN.json; else "
             "stderr."},
    Variable{"BANYAN_PRELOAD_SUMMARY", "0", "1: a line on stderr at the end on which calls were Banyan's."},
    Variable{"BANYAN_PROFILE", "", "Measured profile to use, a file written by banyan-profile."},
    Variable{"BANYAN_RAILS", "0",
             "Messages to other hosts are spread over at most this many networks that join all hosts; 0: all."},
    Variable{"BANYAN_RANK", "", "Number of this rank in the job; set by banyan-run."},
    Variable{"BANYAN_ROOT", "", "host:port at which rank 0 listens for the others; set by banyan-run."},
    Variable{"BANYAN_SHM_SINGLE_COPY", "1",
             "0: large messages between processes of a host pass shared memory instead of process_vm_readv."},
    Variable{"BANYAN_SIZE", "", "Number of ranks in the job; set by banyan-run."},
    Variable{"BANYAN_SPIN", "", "1 spins, 0 yields while waiting; default: yield when ranks outnumber cores."},
    Variable{"BANYAN_TIMEOUT_S", "30", "Deadline of every operation, seconds."},
    Variable{"BANYAN_TOPOLOGY_FILE", "", "Topology file merged over what is discovered."},
    Variable{"BANYAN_TRANSPORTS", "shm,ucx", "Transports in order of preference, comma separated."},
    Variable{"BANYAN_TUNER", "1", "0: an exchange that is repeated is made as the model says, without trials."},
    Variable{"BANYAN_TUNING_FILE", "",
             "Rules that name algorithms, a JSON file as in docs/tuning.md; rank 0's counts."},
    Variable{"BANYAN_WINDOW", "2", "Pieces that a rank's large sends to other hosts may be ahead of its receives."},
    Variable{"BANYAN_WINDOW_BYTES", "chosen by the model", "The same in bytes; the larger of the two counts."},
};

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) {
    row[j] = j;
  }
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substitute = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
    }
  }
  return row[b.size()];
}

/// How unlike two names are: letters to change, less those that both begin with, since endings are often left out.
long unlikeness(std::string_view name, std::string_view known) {
  const auto common = std::mismatch(name.begin(), name.end(), known.begin(), known.end()).first - name.begin();
  return static_cast<long>(edit_distance(name, known)) - static_cast<long>(common);
}

[[noreturn]] void reject(const char* name, const std::string& text, const std::string& expected) {
  throw Error(BANYAN_ERR_INVALID_ARGUMENT,
              "environment variable " + std::string(name) + " is \"" + text + "\"; expected " + expected);
}

}  // namespace

std::span<const Variable> variables() noexcept { return kVariables; }

std::optional<std::string> get(const char* name) noexcept {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') {
    return std::nullopt;
  }
  return std::string(value);
}

std::optional<double> get_positive_seconds(const char* name) {
  const auto text = get(name);
  if (!text) {
    return std::nullopt;
  }
  const auto value = parse::real(*text);
  if (!value || !(*value > 0) || *value > 1e9) {
    reject(name, *text, "a number of seconds above 0, at most 1e9");
  }
  return value;
}

std::optional<size_t> get_bytes(const char* name) {
  const auto text = get(name);
  if (!text) {
    return std::nullopt;
  }
  const auto value = parse::bytes(*text);
  if (!value) {
    reject(name, *text, "a number of bytes such as 4096, 64k, 1M or max");
  }
  return value;
}

std::optional<long> get_int(const char* name) {
  const auto text = get(name);
  if (!text) {
    return std::nullopt;
  }
  const auto value = parse::integer(*text);
  if (!value) {
    reject(name, *text, "an integer");
  }
  return value;
}

bool get_flag(const char* name) {
  const auto text = get(name);
  if (!text || *text == "0" || *text == "n" || *text == "no" || *text == "off" || *text == "false") {
    return false;
  }
  if (*text == "1" || *text == "y" || *text == "yes" || *text == "on" || *text == "true") {
    return true;
  }
  reject(name, *text, "1 or 0");
}

std::vector<Unknown> unknown_variables() {
  std::vector<Unknown> unknown;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    std::string_view text(*entry);
    const std::string_view name = text.substr(0, text.find('='));
    if (!name.starts_with("BANYAN_")) {
      continue;
    }
    if (std::any_of(kVariables.begin(), kVariables.end(), [&](const Variable& v) { return v.name == name; })) {
      continue;
    }
    const auto nearest = std::min_element(kVariables.begin(), kVariables.end(), [&](const auto& a, const auto& b) {
      return unlikeness(name, a.name) < unlikeness(name, b.name);
    });
    unknown.push_back({std::string(name), std::string(nearest->name)});
  }
  return unknown;
}

}  // namespace banyan::env
