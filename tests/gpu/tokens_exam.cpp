// SPDX-License-Identifier: Apache-2.0
// The exam of a device plugin's token exchanges, a row for each token and rank (layout A): every row, expert and weight
// lies where it belongs, and combine's sums are those of a host, bit for bit; back to back with other tokens each time;
// few blocks; rows of several chunks; captured graphs; and waits that end. Exit status 77: there is no device.
#include "gpu/mapped_tokens.hpp"
#include "token_exam.hpp"

namespace banyan::gpu_test {
namespace {

class Step : public TokenStep {
 public:
  Step(const Shape& shape, perf::MappedRank& rank, int number) : TokenStep(shape, rank, number) {
    places_ = static_cast<size_t>(rank.size()) * static_cast<size_t>(shape.max_tokens);
    choices_ = places_ * static_cast<size_t>(shape.top_k);
    results_ = on_device(round_.results_by_rank(rank.rank()));
    seen_rows_ = room<char>(places_ * shape.row_bytes);
    seen_counts_ = room<int>(static_cast<size_t>(rank.size()));
    seen_experts_ = room<int>(choices_);
    seen_weights_ = room<float>(choices_);
  }

  [[nodiscard]] static std::unique_ptr<perf::MappedTokens> make(const Shape& shape, perf::MappedRank& rank) {
    return std::make_unique<perf::MappedTokens>(rank, config_of(shape), ranks_of_experts(shape, rank.size()));
  }

  void enqueue(perf::MappedTokens& tokens, cudaStream_t stream, void* waste) {
    note();
    set_count(stream);
    delay(0, stream, waste);
    tokens.dispatch(what(), stream);
    clear_count(stream);  // combine does not look at it
    const auto received = tokens.received();
    copy(seen_counts_, received.counts, sizeof(int) * static_cast<size_t>(rank_.size()), stream);
    copy(seen_experts_, received.experts, sizeof(int) * choices_, stream);
    copy(seen_weights_, received.weights, sizeof(float) * choices_, stream);
    copy(seen_rows_, received.rows, places_ * shape_.row_bytes, stream);
    delay(1, stream, waste);
    copy(received.rows, results_, places_ * shape_.row_bytes, stream);  // what the experts made
    delay(2, stream, waste);
    tokens.combine(out_, stream);
  }

  void expect_right() const override {
    const auto counts = to_host<int>(seen_counts_, static_cast<size_t>(rank_.size()));
    const auto experts = to_host<int>(seen_experts_, choices_);
    const auto weights = to_host<float>(seen_weights_, choices_);
    const auto rows = to_host<char>(seen_rows_, places_ * shape_.row_bytes);
    expect_by_rank(round_, shape_, rank_.rank(), {counts.data(), experts.data(), weights.data(), rows.data()});
    expect_combined(round_.sums_by_rank(rank_.rank()));
  }

 private:
  size_t places_, choices_;
  const uint16_t* results_;
  char* seen_rows_;
  int *seen_counts_, *seen_experts_;
  float* seen_weights_;
};

std::vector<Trial> trials() {
  const std::vector<Shape> shapes = {
      {"rows of 4 KiB, 2 of 16", 4096, 2, 16, 300, BANYAN_DTYPE_BF16, 0},
      {"rows of 16 bytes, one choice", 16, 1, 4, 300, BANYAN_DTYPE_BF16, 0},
      {"rows of 4112 bytes, 8 of 64", 4112, 8, 64, 200, BANYAN_DTYPE_BF16, 0},
      {"rows of 14336 bytes, 8 of 256, 3 blocks", 14336, 8, 256, 300, BANYAN_DTYPE_BF16, 3},
      {"rows of 40016 bytes, 16 of 33, one block", 40016, 16, 33, 70, BANYAN_DTYPE_BF16, 1},
      {"rows of 8192 bytes, FP32, 4 of 8", 8192, 4, 8, 150, BANYAN_DTYPE_FP32, 0},
      {"rows of 1024 bytes, FP16, 6 of 40", 1024, 6, 40, 500, BANYAN_DTYPE_FP16, 7},
      {"one block, only the first token", 4096, 8, 64, 700, BANYAN_DTYPE_BF16, 1, Pattern::kFirstOnly},
      {"one block, few tokens", 4096, 8, 64, 700, BANYAN_DTYPE_BF16, 1, Pattern::kFew},
      {"one block, few large tokens", 14336, 8, 64, 700, BANYAN_DTYPE_BF16, 1, Pattern::kFew},
      {"one block, late tokens", 14336, 8, 64, 700, BANYAN_DTYPE_BF16, 1, Pattern::kLateOnes},
  };
  const Shape shorter{"rows of 10000 bytes, 4 of 64", 10000, 4, 64, 100, BANYAN_DTYPE_BF16, 3};
  return trials_of<Step>(shapes, shapes[3], shorter);
}

}  // namespace
}  // namespace banyan::gpu_test

int main(int argc, char** argv) { return banyan::gpu_test::examine(argc, argv, banyan::gpu_test::trials()); }
