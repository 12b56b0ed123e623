// SPDX-License-Identifier: Apache-2.0
// A Mixture-of-Experts layer in chunks, with the C++ header: experts compute on one chunk while the next arrives and
// the last returns. Checks itself.
#include <banyan/moe.hpp>

#include <cmath>
#include <cstdio>
#include <vector>

namespace {

constexpr std::size_t kTokens = 96;
constexpr std::size_t kHidden = 128;
constexpr int kExperts = 12;
constexpr int kTopK = 3;
constexpr std::size_t kChunks = 4;

/// Three different experts for each token.
std::vector<std::int64_t> gate(int rank) {
  std::vector<std::int64_t> topk_idx;
  for (std::size_t token = 0; token < kTokens; ++token) {
    for (int slot = 0; slot < kTopK; ++slot) {
      topk_idx.push_back((rank * 5 + static_cast<int>(token) + slot * 5) % kExperts);
    }
  }
  return topk_idx;
}

/// What an expert makes of its rows: here, that many times as much.
float expert(std::int64_t number, float x) { return static_cast<float>(number + 1) * x; }

void compute(const banyan::MoeGroup& group, const banyan::MoeHandle& handle, std::size_t chunk,
             std::vector<float>& rows) {
  const auto experts = group.local_experts();
  const auto begins = handle.expert_begins(chunk);
  const auto counts = handle.expert_counts(chunk);
  for (std::size_t local = 0; local < experts.size(); ++local) {
    for (std::size_t at = begins[local] * kHidden; at < (begins[local] + counts[local]) * kHidden; ++at) {
      rows[at] = expert(experts[local], rows[at]);
    }
  }
}

bool layer(banyan::Comm& comm) {
  banyan_moe_config config = BANYAN_MOE_CONFIG_INIT;
  config.num_experts = kExperts;
  config.top_k = kTopK;
  config.hidden = kHidden;
  config.max_tokens = kTokens;
  config.num_chunks = kChunks;
  config.progress_thread = 1;
  banyan::MoeGroup group = banyan::MoeGroup::create(comm, config);
  const auto topk_idx = gate(comm.rank());
  const std::vector<float> weights(topk_idx.size(), 0.5F);
  std::vector<float> tokens(kTokens * kHidden), result(kTokens * kHidden);
  for (std::size_t at = 0; at < tokens.size(); ++at) {
    tokens[at] = static_cast<float>(at % 17) - 8;
  }

  banyan::MoeHandle handle = group.route(topk_idx, weights);
  std::vector<std::vector<float>> rows(kChunks);
  std::vector<banyan::MoeRequest> arriving, returning;
  for (std::size_t chunk = 0; chunk < kChunks; ++chunk) {
    rows[chunk].resize(handle.info(chunk).num_rows * kHidden);
    arriving.push_back(handle.dispatch_start<float>(chunk, tokens, rows[chunk]));
  }
  for (std::size_t chunk = 0; chunk < kChunks; ++chunk) {
    arriving[chunk].wait();
    compute(group, handle, chunk, rows[chunk]);
    returning.push_back(handle.combine_start<float>(chunk, rows[chunk], result));
  }
  for (banyan::MoeRequest& request : returning) {
    request.wait();
  }

  for (std::size_t token = 0; token < kTokens; ++token) {
    float factor = 0;
    for (int slot = 0; slot < kTopK; ++slot) {
      factor += 0.5F * expert(topk_idx[token * kTopK + static_cast<std::size_t>(slot)], 1);
    }
    for (std::size_t at = token * kHidden; at < (token + 1) * kHidden; ++at) {
      if (std::abs(result[at] - factor * tokens[at]) > 1e-3F) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace

int main() {
  try {
    banyan::Comm comm = banyan::Comm::from_environment();
    const bool right = layer(comm);
    std::printf("rank %d of %d: %s\n", comm.rank(), comm.size(), right ? "right" : "wrong");
    comm.destroy();
    return right ? 0 : 1;
  } catch (const banyan::Exception& error) {
    std::fprintf(stderr, "%s: %s\n", banyan_status_name(error.status()), error.what());
    return 1;
  }
}
