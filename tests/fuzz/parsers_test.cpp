// SPDX-License-Identifier: Apache-2.0
// Every parser of text from outside, fed with damaged copies of good texts of every format.
#include "parsers.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/file.hpp"
#include "mutate.hpp"

namespace banyan::fuzz {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kMutants = 500;  // of each text, for each parser
#else
constexpr int kMutants = 3000;
#endif

/// A good text of every format.
const std::vector<std::string>& seeds() {
  static const std::vector<std::string> kSeeds = [] {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(BANYAN_TEST_DATA)) {
      if (entry.is_regular_file()) {
        paths.push_back(entry.path());
      }
    }
    std::sort(paths.begin(), paths.end());
    std::vector<std::string> texts = {
        "3:[5, 4x2] nic=[1gbit, 2gbit x2] racks=[1,2] uplink=2.5GB/s rails=2 numa=4 nvlink=50GB/s",
        "moe:4k,experts=64,topk=8,zeros=0.3,seed=1",
        R"({"format": "banyan-profile-resume-1", "key": "9f86d081884c7d65",
            "probes": [{"probe": "copy", "numbers": [5.5e9, 9.8e9]}]})",
        R"({"format": "banyan-popularity-1", "num_layers": 2, "num_experts": 4, "top_k": 2, "path_length": 3,
            "path_choices": 1, "max_paths": 9, "max_experts_per_path": 3, "decay": 0.9, "layers": [
              [{"path": [], "tokens": 7.5, "choices": 15.0, "experts": [[0, 5.0], [2, 10.0]]}],
              [{"path": [], "tokens": 5.5, "choices": 10.0, "experts": [[1, 4.0], [3, 5.5]]},
               {"path": [2], "tokens": 4.5, "choices": 8.0, "experts": [[1, 3.0], [3, 5.0]]}]]})"};
    for (const auto& path : paths) {
      texts.push_back(file::read(path));
    }
    return texts;
  }();
  return kSeeds;
}

class Mutants : public testing::TestWithParam<size_t> {};

TEST_P(Mutants, AreReadOrRefusedWithAReason) {
  const Parser& parser = parsers()[GetParam()];
  std::mt19937 random(20261122);
  int accepted = 0;
  int refused = 0;
  for (size_t seed = 0; seed < seeds().size(); ++seed) {
    const bool fits = parser.run(seeds()[seed]).empty();
    accepted += fits ? 1 : 0;
    // Mostly texts of the parser's own format: others are refused at their first byte.
    for (int i = 0; i < (fits ? kMutants : kMutants / 10); ++i) {
      const std::string text = mutate(seeds(), seed, random);
      SCOPED_TRACE("mutant " + std::to_string(i) + " of text " + std::to_string(seed));
      try {
        ++(parser.run(text).empty() ? accepted : refused);
      } catch (const std::exception& error) {
        ADD_FAILURE() << parser.name << ": " << error.what() << "\n" << text.substr(0, 2000);
      }
    }
  }
  EXPECT_GT(accepted, 0) << "no good text for this parser";
  EXPECT_GT(refused, 0);
}

INSTANTIATE_TEST_SUITE_P(Parsers, Mutants, testing::Range<size_t>(0, parsers().size()), [](const auto& one) {
  std::string name = parsers()[one.param].name;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
});

}  // namespace
}  // namespace banyan::fuzz
