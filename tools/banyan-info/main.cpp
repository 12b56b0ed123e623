// SPDX-License-Identifier: Apache-2.0
// banyan-info: what this build of Banyan is, what it can use here, and what its environment says.
#include <banyan/banyan.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

namespace po = boost::program_options;
using Json = nlohmann::ordered_json;

constexpr std::string_view kUsage =
    "usage: banyan-info [options]\n"
    "Prints the version and build of libbanyan, the transports it can load here, and every BANYAN_* environment\n"
    "variable with its meaning. Variables that are set but unknown are reported with the nearest known name.\n\n"
    "Exit status: 0, or 1 if a variable is unknown or something failed, or 2 for a wrong option.\n";

constexpr std::string_view kExamples =
    "\nExamples:\n"
    "  banyan-info                                  what is installed here, and every variable\n"
    "  banyan-info --json | jq .transports          for programs\n"
    "  mpirun -n 1 -host node7 banyan-info          on another machine of the job\n";

using Exporter = banyan_status (*)(banyan_format, char**);

std::string exported(Exporter exporter, banyan_format format) {
  char* text = nullptr;
  if (exporter(format, &text) != BANYAN_OK) {
    throw std::runtime_error(banyan_last_error());
  }
  const std::unique_ptr<char, void (*)(char*)> owner(text, &banyan_string_free);
  return text;
}

/// The lines "key: value" of banyan_build_info as an object.
Json build_info() {
  Json result = Json::object();
  std::string_view rest = banyan_build_info();
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    const size_t colon = line.find(": ");
    if (colon != std::string_view::npos) {
      result[std::string(line.substr(0, colon))] = std::string(line.substr(colon + 2));
    }
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
  }
  return result;
}

void print_text() {
  std::cout << "Build\n" << banyan_build_info();
  if (!std::string_view(banyan_build_info()).ends_with('\n')) {
    std::cout << '\n';
  }
  std::cout << "\nTransports\n" << exported(&banyan_transports_export, BANYAN_FORMAT_TEXT);
  std::cout << "\nEnvironment\n" << exported(&banyan_environment_export, BANYAN_FORMAT_TEXT);
}

void print_json(const Json& environment) {
  const Json transports = Json::parse(exported(&banyan_transports_export, BANYAN_FORMAT_JSON));
  const Json document = {{"format", "banyan-info-1"},
                         {"build", build_info()},
                         {"transports", transports.at("transports")},
                         {"environment", environment.at("variables")},
                         {"unknown", environment.at("unknown")}};
  std::cout << document.dump(2) << '\n';
}

int run(int argc, char** argv) {
  po::options_description options("Options");
  options.add_options()("help,h", "print this and exit")("version", "print the library's version and exit")(
      "json", "print JSON (\"format\": \"banyan-info-1\")");
  po::variables_map chosen;
  try {
    po::store(po::command_line_parser(argc, argv).options(options).positional({}).run(), chosen);
  } catch (const po::error& error) {
    std::cerr << "banyan-info: " << error.what() << "; see banyan-info --help\n";
    return 2;
  }
  if (chosen.contains("help")) {
    std::cout << kUsage << '\n' << options << kExamples;
    return 0;
  }
  if (chosen.contains("version")) {
    int major = 0;
    int minor = 0;
    int patch = 0;
    banyan_version(&major, &minor, &patch);
    std::cout << "banyan " << major << '.' << minor << '.' << patch << '\n';
    return 0;
  }
  const Json environment = Json::parse(exported(&banyan_environment_export, BANYAN_FORMAT_JSON));
  if (chosen.contains("json")) {
    print_json(environment);
  } else {
    print_text();
  }
  return environment.at("unknown").empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "banyan-info: " << error.what() << '\n';
    return 1;
  }
}
