// SPDX-License-Identifier: Apache-2.0
// The exam of a device plugin's token exchanges by experts (layout B): every row lies in its place of its expert's run,
// with its source; counts, offsets and what was left out are a host's; so are combine's sums, bit for bit. As
// gpu_tokens_exam else. Exit status 77: there is no device.
#include "gpu/mapped_experts.hpp"
#include "token_exam.hpp"

namespace banyan::gpu_test {
namespace {

class Step : public TokenStep {
 public:
  Step(const Shape& shape, perf::MappedRank& rank, int number)
      : TokenStep(shape, rank, number), runs_(round_.runs_of(rank.rank())) {
    results_ = on_device(round_.results_by_expert(runs_));
    seen_rows_ = room<char>(num_rows() * shape.row_bytes);
    seen_sources_ = room<banyan_device_row>(num_rows());
    seen_numbers_ = room<int>(3 * runs_.offsets.size());
  }

  [[nodiscard]] static std::unique_ptr<perf::MappedExperts> make(const Shape& shape, perf::MappedRank& rank) {
    banyan_device_experts_config config{};
    config.tokens = config_of(shape);
    config.row_alignment = shape.row_alignment;
    config.max_rows = shape.max_rows;
    return std::make_unique<perf::MappedExperts>(rank, config, ranks_of_experts(shape, rank.size()));
  }

  void enqueue(perf::MappedExperts& experts, cudaStream_t stream, void* waste) {
    note();
    set_count(stream);
    delay(0, stream, waste);
    experts.dispatch(what(), stream);
    clear_count(stream);  // combine does not look at it
    const auto received = experts.received();
    expect(received.num_experts == static_cast<int>(runs_.experts.size()), "another number of experts");
    copy(counts(), received.counts, sizeof(int) * runs_.counts.size(), stream);
    copy(counts() + runs_.counts.size(), received.needed, sizeof(int), stream);
    copy(offsets(), received.offsets, sizeof(int) * runs_.offsets.size(), stream);
    copy(numbers(), received.experts, sizeof(int) * runs_.experts.size(), stream);
    copy(seen_sources_, received.sources, sizeof(banyan_device_row) * num_rows(), stream);
    copy(seen_rows_, received.rows, num_rows() * shape_.row_bytes, stream);
    delay(1, stream, waste);
    copy(received.rows, results_, num_rows() * shape_.row_bytes, stream);  // what the experts made
    delay(2, stream, waste);
    experts.combine(out_, is_weighted(), stream);
  }

  void expect_right() const override {
    const auto seen = to_host<int>(seen_numbers_, 3 * runs_.offsets.size());
    const auto sources = to_host<banyan_device_row>(seen_sources_, num_rows());
    const auto rows = to_host<char>(seen_rows_, num_rows() * shape_.row_bytes);
    const size_t step = runs_.offsets.size();
    expect_by_expert(round_, shape_, rank_.rank(),
                     {seen.data() + 2 * step, seen.data(), seen.data() + step, seen.data() + runs_.counts.size(),
                      sources.data(), rows.data()});
    expect_combined(round_.sums_by_expert(rank_.rank(), is_weighted()));
  }

 private:
  [[nodiscard]] size_t num_rows() const { return runs_.sources.size(); }
  [[nodiscard]] bool is_weighted() const { return number_ % 2 == 0 && round_.has_weights(); }
  [[nodiscard]] int* counts() const { return seen_numbers_; }  ///< and then what is needed
  [[nodiscard]] int* offsets() const { return seen_numbers_ + runs_.offsets.size(); }
  [[nodiscard]] int* numbers() const { return offsets() + runs_.offsets.size(); }

  Round::Runs runs_;
  const uint16_t* results_;
  char* seen_rows_;
  banyan_device_row* seen_sources_;
  int* seen_numbers_;
};

std::vector<Trial> trials() {
  Shape few_rows{"room for 500 rows", 4096, 4, 16, 300, BANYAN_DTYPE_BF16, 0, Pattern::kMost, 16};
  few_rows.max_rows = 500;
  const std::vector<Shape> shapes = {
      {"rows of 4 KiB, 2 of 16", 4096, 2, 16, 300, BANYAN_DTYPE_BF16, 0, Pattern::kMost, 128},
      {"rows of 14336 bytes, 8 of 256", 14336, 8, 256, 150, BANYAN_DTYPE_BF16, 0, Pattern::kMost, 8},
      {"rows of 16 bytes, one choice", 16, 1, 4, 300, BANYAN_DTYPE_BF16, 0},
      {"rows of 4112 bytes, 8 of 64", 4112, 8, 64, 200, BANYAN_DTYPE_BF16, 0},
      {"rows of 14336 bytes, 8 of 64, 3 blocks", 14336, 8, 64, 100, BANYAN_DTYPE_BF16, 3},
      {"rows of 40016 bytes, 16 of 33, one block", 40016, 16, 33, 40, BANYAN_DTYPE_BF16, 1},
      {"rows of 8192 bytes, FP32, 4 of 8", 8192, 4, 8, 150, BANYAN_DTYPE_FP32, 0},
      {"rows of 1024 bytes, FP16, 6 of 40", 1024, 6, 40, 500, BANYAN_DTYPE_FP16, 9, Pattern::kMost, 16},
      {"only the first token", 4096, 8, 64, 700, BANYAN_DTYPE_BF16, 8, Pattern::kFirstOnly},
      {"few tokens", 4096, 8, 64, 700, BANYAN_DTYPE_BF16, 1, Pattern::kFew},
      {"no choices", 4096, 8, 64, 700, BANYAN_DTYPE_BF16, 0, Pattern::kNone, 128},
      {"late tokens", 14336, 8, 64, 300, BANYAN_DTYPE_BF16, 0, Pattern::kLateOnes},
      few_rows,
  };
  const Shape shorter{"rows of 10000 bytes, 4 of 64", 10000, 4, 64, 100, BANYAN_DTYPE_BF16, 3};
  return trials_of<Step>(shapes, shapes[4], shorter);
}

}  // namespace
}  // namespace banyan::gpu_test

int main(int argc, char** argv) { return banyan::gpu_test::examine(argc, argv, banyan::gpu_test::trials()); }
