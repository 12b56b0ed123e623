// SPDX-License-Identifier: Apache-2.0
#include "token_batch.hpp"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <random>
#include <stdexcept>

#include "mixed.hpp"

namespace banyan::gpu_test {
namespace {

bool has_choices(Pattern pattern, int token, int num_tokens) {
  switch (pattern) {
    case Pattern::kFirstOnly:
      return token == 0;
    case Pattern::kFew:
      return token % 40 == 0;
    case Pattern::kLateOnes:
      return token < 2 || token > num_tokens * 2 / 3;
    case Pattern::kNone:
      return false;
    default:
      return true;
  }
}

/// What a rank's experts, or an expert, make of a number: it times a power of two.
float scale_of(int number) { return static_cast<float>(1 << number % 3); }

void expect(bool condition, const std::string& what) {
  if (!condition) {
    throw std::runtime_error(what);
  }
}

/// Each number of a row by `function`, rounded. Batches have few numbers of two bytes (batch_of): they are looked up.
template <typename Function>
void map_row(banyan_dtype type, const uint16_t* row, size_t halves, Function function, uint16_t* out) {
  constexpr size_t kKinds = 512;
  if (type == BANYAN_DTYPE_FP32 || halves < kKinds) {
    for (size_t i = 0; i < halves; i += halves_of(type)) {
      put_number(type, function(number_of(type, row + i)), out + i);
    }
    return;
  }
  std::array<uint16_t, kKinds> results{};
  for (size_t kind = 0; kind < kKinds; ++kind) {
    const auto bits = static_cast<uint16_t>(0x3f00U | (kind & 0x100U) << 7 | (kind & 0xffU));
    put_number(type, function(number_of(type, &bits)), &results[kind]);
  }
  for (size_t i = 0; i < halves; ++i) {
    out[i] = results[(row[i] >> 7 & 0x100U) | (row[i] & 0xffU)];
  }
}

/// Of a number of a token: a row of an expert.
struct Term {
  float weight, scale;
};

/// The ranks' parts, each rounded.
float sum_of(banyan_dtype type, float number, const std::vector<std::vector<Term>>& parts) {
  float sum = 0;
  for (const auto& terms : parts) {
    float part = 0;
    for (const Term& term : terms) {
      part = std::fma(term.weight, term.scale * number, part);
    }
    uint16_t rounded[2]{};
    put_number(type, part, rounded);
    sum += number_of(type, rounded);
  }
  return sum;
}

}  // namespace

Batch batch_of(const Shape& shape, int rank, int round) {
  std::mt19937 random(static_cast<unsigned>(round * 1000 + rank));
  Batch batch;
  const int kinds[] = {shape.max_tokens, 0, 1, std::min(63, shape.max_tokens), std::min(65, shape.max_tokens)};
  batch.num_tokens = (round + rank) % 3 == 0 ? kinds[random() % 5]
                                             : static_cast<int>(random() % static_cast<unsigned>(shape.max_tokens + 1));
  const auto count = static_cast<size_t>(batch.num_tokens);
  batch.rows.resize(count * shape.row_bytes / 2);
  const uint64_t seed = mixed(static_cast<uint64_t>(round) << 32 | static_cast<uint64_t>(rank));
  for (size_t i = 0; i < batch.rows.size(); i += 4) {  // rows are multiples of 16 bytes
    const uint64_t four = (mixed(seed ^ i) & 0x80ff80ff80ff80ffU) | 0x3f003f003f003f00U;  // +-0.5 to 2
    std::memcpy(batch.rows.data() + i, &four, sizeof(four));
  }
  for (size_t i = 0; i < count * static_cast<size_t>(shape.top_k); ++i) {
    const bool none = random() % 8 == 0;
    const unsigned range = static_cast<unsigned>(shape.num_experts);
    const auto expert = static_cast<int>(round % 4 == 1 ? random() % (range / 2 + 1) % range : random() % range);
    batch.experts.push_back(none ? (random() % 2 == 0 ? -1 : shape.num_experts) : expert);
    batch.weights.push_back(static_cast<float>(random() % 1024) / 1024);
  }
  for (int token = 0; token < batch.num_tokens; ++token) {
    if (!has_choices(shape.pattern, token, batch.num_tokens)) {
      std::fill_n(batch.experts.begin() + token * shape.top_k, shape.top_k, -1);
    }
  }
  if (round % 5 == 4 && shape.pattern == Pattern::kMost) {  // all to the last rank's experts
    std::fill(batch.experts.begin(), batch.experts.end(), shape.num_experts - 1);
  }
  return batch;
}

std::vector<Batch> batches_of(const Shape& shape, int num_ranks, int round) {
  std::vector<Batch> batches;
  for (int rank = 0; rank < num_ranks; ++rank) {
    batches.push_back(batch_of(shape, rank, round));
  }
  return batches;
}

std::vector<int> ranks_of_experts(const Shape& shape, int num_ranks) {
  std::vector<int> ranks;
  for (int expert = 0; expert < shape.num_experts; ++expert) {
    ranks.push_back(expert * num_ranks / shape.num_experts);
  }
  return ranks;
}

float number_of(banyan_dtype type, const uint16_t* bits) {
  if (type == BANYAN_DTYPE_FP32) {
    float number = 0;
    std::memcpy(&number, bits, sizeof(number));
    return number;
  }
  if (type == BANYAN_DTYPE_FP16) {
    return __half2float(__half(__half_raw{*bits}));
  }
  return __bfloat162float(__nv_bfloat16(__nv_bfloat16_raw{*bits}));
}

void put_number(banyan_dtype type, float number, uint16_t* bits) {
  if (type == BANYAN_DTYPE_FP32) {
    std::memcpy(bits, &number, sizeof(number));
  } else if (type == BANYAN_DTYPE_FP16) {
    *bits = static_cast<__half_raw>(__float2half_rn(number)).x;
  } else {
    *bits = static_cast<__nv_bfloat16_raw>(__float2bfloat16_rn(number)).x;
  }
}

size_t halves_of(banyan_dtype type) { return type == BANYAN_DTYPE_FP32 ? 2 : 1; }

Round::Round(const Shape& shape, int num_ranks, int round)
    : shape_(shape),
      round_(round),
      ranks_of_experts_(ranks_of_experts(shape, num_ranks)),
      batches_(batches_of(shape, num_ranks, round)) {}

int Round::rank_of(int expert) const {
  return expert >= 0 && expert < shape_.num_experts ? ranks_of_experts_[static_cast<size_t>(expert)] : -1;
}

bool Round::goes_to(int source, int token, int rank) const {
  bool goes = false;
  for (int choice = 0; choice < shape_.top_k; ++choice) {
    goes = goes || rank_of(expert_of(source, token, choice)) == rank;
  }
  return goes;
}

int Round::expert_of(int source, int token, int choice) const {
  return batch(source).experts[static_cast<size_t>(token * shape_.top_k + choice)];
}

float Round::weight_of(int source, int token, int choice) const {
  return has_weights() ? batch(source).weights[static_cast<size_t>(token * shape_.top_k + choice)] : 0;
}

const uint16_t* Round::row_of(int source, int token) const {
  return batch(source).rows.data() + static_cast<size_t>(token) * shape_.row_bytes / 2;
}

std::string Round::where(int source, int token) const {
  return shape_.name + ", round " + std::to_string(round_) + ", token " + std::to_string(token) + " of rank " +
         std::to_string(source) + ": ";
}

std::vector<uint16_t> Round::results_by_rank(int rank) const {
  const size_t halves = shape_.row_bytes / 2;
  const auto max_tokens = static_cast<size_t>(shape_.max_tokens);
  std::vector<uint16_t> all(static_cast<size_t>(num_ranks()) * max_tokens * halves, 0x1111);
  for (int source = 0; source < num_ranks(); ++source) {
    uint16_t* out = all.data() + static_cast<size_t>(source) * max_tokens * halves;
    for (int token = 0; token < batch(source).num_tokens; ++token) {
      if (goes_to(source, token, rank)) {
        map_row(
            shape_.dtype, row_of(source, token), halves, [&](float number) { return scale_of(rank) * number; }, out);
        out += halves;
      }
    }
  }
  return all;
}

std::vector<uint16_t> Round::sums_by_rank(int rank) const {
  const size_t halves = shape_.row_bytes / 2;
  std::vector<uint16_t> sums(batch(rank).rows.size());
  std::vector<float> scales;
  for (int token = 0; token < batch(rank).num_tokens; ++token) {
    scales.clear();
    for (int peer = 0; peer < num_ranks(); ++peer) {
      if (goes_to(rank, token, peer)) {
        scales.push_back(scale_of(peer));
      }
    }
    const auto sum = [&](float number) {
      float all = 0;
      for (const float scale : scales) {
        all += scale * number;
      }
      return all;
    };
    map_row(shape_.dtype, row_of(rank, token), halves, sum, sums.data() + static_cast<size_t>(token) * halves);
  }
  return sums;
}

Round::Runs Round::runs_of(int rank) const {
  Runs runs;
  std::vector<banyan_device_row> all;
  for (int expert = 0; expert < shape_.num_experts; ++expert) {
    if (rank_of(expert) != rank) {
      continue;
    }
    runs.experts.push_back(expert);
    runs.offsets.push_back(static_cast<int>(all.size()));
    for (int source = 0; source < num_ranks(); ++source) {
      for (int at = 0; at < batch(source).num_tokens * shape_.top_k; ++at) {
        const int token = at / shape_.top_k, choice = at % shape_.top_k;
        if (expert_of(source, token, choice) == expert) {
          all.push_back({source, token, choice, weight_of(source, token, choice)});
        }
      }
    }
    runs.counts.push_back(static_cast<int>(all.size()) - runs.offsets.back());
    while (all.size() % static_cast<size_t>(shape_.row_alignment) != 0) {
      all.push_back({-1, -1, -1, 0});
    }
  }
  runs.needed = static_cast<int>(all.size());
  runs.offsets.push_back(runs.needed);
  const int most = shape_.max_rows > 0 ? shape_.max_rows : runs.needed;
  for (size_t own = 0; own < runs.counts.size(); ++own) {
    const int end = std::min(most, runs.offsets[own] + runs.counts[own]);
    runs.counts[own] = std::max(0, end - std::min(most, runs.offsets[own]));
  }
  for (int& offset : runs.offsets) {
    offset = std::min(most, offset);
  }
  all.resize(static_cast<size_t>(runs.offsets.back()));
  runs.sources = all;
  return runs;
}

std::vector<uint16_t> Round::results_by_expert(const Runs& runs) const {
  const size_t halves = shape_.row_bytes / 2;
  std::vector<uint16_t> all(runs.sources.size() * halves, 0x7fff);  // not a number, between runs
  for (size_t at = 0; at < runs.sources.size(); ++at) {
    const banyan_device_row& source = runs.sources[at];
    if (source.rank >= 0) {
      const float scale = scale_of(expert_of(source.rank, source.token, source.choice));
      map_row(
          shape_.dtype, row_of(source.rank, source.token), halves, [&](float number) { return scale * number; },
          all.data() + at * halves);
    }
  }
  return all;
}

std::vector<uint16_t> Round::sums_by_expert(int rank, bool weighted) const {
  const size_t halves = shape_.row_bytes / 2;
  std::vector<bool> kept(batch(rank).experts.size());
  for (int peer = 0; peer < num_ranks(); ++peer) {
    for (const banyan_device_row& source : runs_of(peer).sources) {
      if (source.rank == rank) {
        kept[static_cast<size_t>(source.token * shape_.top_k + source.choice)] = true;
      }
    }
  }
  std::vector<uint16_t> sums(batch(rank).rows.size());
  std::vector<std::vector<Term>> parts(static_cast<size_t>(num_ranks()));
  for (int token = 0; token < batch(rank).num_tokens; ++token) {
    for (auto& part : parts) {
      part.clear();
    }
    for (int choice = 0; choice < shape_.top_k; ++choice) {
      if (kept[static_cast<size_t>(token * shape_.top_k + choice)]) {
        const int expert = expert_of(rank, token, choice);
        parts[static_cast<size_t>(rank_of(expert))].push_back(
            {weighted ? weight_of(rank, token, choice) : 1, scale_of(expert)});
      }
    }
    map_row(
        shape_.dtype, row_of(rank, token), halves, [&](float number) { return sum_of(shape_.dtype, number, parts); },
        sums.data() + static_cast<size_t>(token) * halves);
  }
  return sums;
}

void expect_by_rank(const Round& round, const Shape& shape, int rank, const SeenByRank& seen) {
  const auto top_k = static_cast<size_t>(shape.top_k);
  for (int source = 0; source < round.num_ranks(); ++source) {
    int slot = 0;
    for (int token = 0; token < round.batch(source).num_tokens; ++token) {
      if (!round.goes_to(source, token, rank)) {
        continue;
      }
      const size_t place =
          static_cast<size_t>(source) * static_cast<size_t>(shape.max_tokens) + static_cast<size_t>(slot);
      expect(std::memcmp(seen.rows + place * shape.row_bytes, round.row_of(source, token), shape.row_bytes) == 0,
             round.where(source, token) + "another row");
      for (int choice = 0; choice < shape.top_k; ++choice) {
        const int expert = round.expert_of(source, token, choice);
        const bool here = round.rank_of(expert) == rank;
        const size_t at = place * top_k + static_cast<size_t>(choice);
        expect(seen.experts[at] == (here ? expert : -1) &&
                   seen.weights[at] == (here ? round.weight_of(source, token, choice) : 0),
               round.where(source, token) + "expert or weight of choice " + std::to_string(choice));
      }
      ++slot;
    }
    expect(seen.counts[source] == slot,
           round.where(source, -1) + std::to_string(slot) + " rows expected, " + std::to_string(seen.counts[source]));
  }
}

void expect_by_expert(const Round& round, const Shape& shape, int rank, const SeenByExpert& seen) {
  const Round::Runs runs = round.runs_of(rank);
  const std::string at_rank = round.where(rank, -1);
  const auto are_equal = [&](const std::vector<int>& expected, const int* values, const char* what) {
    for (size_t i = 0; i < expected.size(); ++i) {
      expect(values[i] == expected[i], at_rank + what + " " + std::to_string(i) + " is " + std::to_string(values[i]) +
                                           ", not " + std::to_string(expected[i]));
    }
  };
  are_equal(runs.experts, seen.experts, "expert");
  are_equal(runs.counts, seen.counts, "count");
  are_equal(runs.offsets, seen.offsets, "offset");
  are_equal({runs.needed}, seen.needed, "needed");
  for (size_t i = 0; i < runs.sources.size(); ++i) {
    const banyan_device_row& source = runs.sources[i];
    expect(std::memcmp(&source, seen.sources + i, sizeof(source)) == 0,
           round.where(source.rank, source.token) + "source of row " + std::to_string(i));
    const bool good = source.rank < 0 || std::memcmp(seen.rows + i * shape.row_bytes,
                                                     round.row_of(source.rank, source.token), shape.row_bytes) == 0;
    expect(good, round.where(source.rank, source.token) + "another row " + std::to_string(i));
  }
}

void expect_sums(const Round& round, const Shape& shape, int rank, const std::vector<uint16_t>& expected,
                 const uint16_t* out) {
  const size_t halves = shape.row_bytes / 2;
  const size_t right =
      static_cast<size_t>(std::mismatch(expected.begin(), expected.end(), out).first - expected.begin());
  if (right < expected.size()) {
    throw std::runtime_error(round.where(rank, static_cast<int>(right / halves)) + "sum at " +
                             std::to_string(right % halves) + " of " + std::to_string(halves) + " halves is " +
                             std::to_string(out[right]) + ", not " + std::to_string(expected[right]));
  }
}

}  // namespace banyan::gpu_test
