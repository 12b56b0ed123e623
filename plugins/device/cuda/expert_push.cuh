// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/block.cuh"
#include "cuda/experts.cuh"
#include "cuda/rank_bits.cuh"
#include "cuda/row_mover.cuh"
#include "cuda/wait.cuh"

/// Of the dispatch by experts what is the pushers'.
namespace banyan::cuda {

constexpr int kWarp = 32;
constexpr int kExpertThreads = kDispatchThreads;
constexpr int kFinders = kExpertThreads - kWarp;  ///< all but the first warp, whose first thread moves rows

/// What a block of the dispatch has in shared memory beside the stages.
struct DispatchShared {
  RowList lists[2];                           ///< one is moved while the other is filled
  uint32_t ends[2][BANYAN_DEVICE_MAX_RANKS];  ///< of the batch of a list: next places by rank
  uint32_t next_slot[BANYAN_DEVICE_MAX_RANKS];
  uint32_t next_index[kMostExperts];          ///< by expert
  uint32_t bits[BANYAN_DEVICE_MAX_RANKS][2];  ///< by rank: which tokens of the batch go there
  int32_t experts[kPushBatch * kMaxTopK];     ///< of the batch's choices; negative: none
  int8_t ranks[kPushBatch * kMaxTopK];
  uint32_t index[kPushBatch * kMaxTopK];
  uint32_t places[kPushBatch][kMaxTopK];  ///< of the batch's tokens, in rising order
  uint8_t fan[kPushBatch];                ///< how many
  bool failed;                            ///< a wait of the finders; one of them looks at it
};

/// Of the threads that find.
__device__ inline void sync_finders() { sync_some<kFinders>(); }

/// A block that pushes.
template <int kStages>
class Pusher {
 public:
  __device__ Pusher(const ExpertDispatch& dispatch, DispatchShared& shared, RowMover<kStages>& mover, uint64_t call)
      : dispatch_(dispatch), experts_(dispatch.experts), shared_(shared), mover_(mover), call_(call) {
    const int given = dispatch.device_tokens == nullptr ? dispatch.num_tokens : *dispatch.device_tokens;
    num_tokens_ = given < 0 ? 0 : given < dispatch.num_tokens ? given : dispatch.num_tokens;
    const auto count = static_cast<uint64_t>(num_tokens_);
    const auto pushers = static_cast<uint64_t>(dispatch.num_pushers);
    begin_ = static_cast<int>(count * blockIdx.x / pushers);
    end_ = static_cast<int>(count * (blockIdx.x + 1) / pushers);
    batch_ = rows_of(262144, dispatch.cut.row_bytes, 16, kPushBatch);
  }

  [[nodiscard]] __device__ int num_tokens() const { return num_tokens_; }

  /// Counts this block's tokens by rank and by expert, adds up those of the blocks before, and tells receivers. All
  /// threads; false: a wait failed.
  __device__ bool count(const Patience& patience) {
    const int columns = num_ranks() + experts_.layout.num_experts;
    for (int column = static_cast<int>(threadIdx.x); column < columns; column += kExpertThreads) {
      next_of(column) = 0;
    }
    __syncthreads();
    for (int token = begin_ + static_cast<int>(threadIdx.x); token < end_; token += kExpertThreads) {
      count_token(token);
    }
    __syncthreads();
    bool good = true;
    for (int column = static_cast<int>(threadIdx.x); column < columns; column += kExpertThreads) {
      store_near(word_of(static_cast<int>(blockIdx.x), column), Arrival::word(call_, next_of(column)));
    }
    for (int column = static_cast<int>(threadIdx.x); column < columns; column += kExpertThreads) {
      const uint32_t own = next_of(column);
      uint32_t before = 0;
      good = good && add_before(patience, column, before);
      next_of(column) = before;
      if (good) {
        tell(column, before, own);
      }
    }
    return __syncthreads_and(good ? 1 : 0) != 0;
  }

  /// All threads: the first moves a batch while the finders prepare the next.
  __device__ void push() {
    const bool finds = threadIdx.x >= kWarp;
    if (finds) {
      find(0, begin_);
    }
    __syncthreads();
    int list = 0;
    for (int first = begin_; first < end_; first += batch_) {
      if (threadIdx.x == 0) {
        move(list);
      } else if (finds && first + batch_ < end_) {
        find(1 - list, first + batch_);
      }
      list = 1 - list;
      __syncthreads();
    }
  }

 private:
  [[nodiscard]] __device__ int num_ranks() const { return experts_.layout.num_ranks; }
  [[nodiscard]] __device__ uint32_t& next_of(int column) const {
    return column < num_ranks() ? shared_.next_slot[column] : shared_.next_index[column - num_ranks()];
  }
  [[nodiscard]] __device__ uint64_t* word_of(int block, int column) const {
    return experts_.block_counts + block * (num_ranks() + experts_.layout.num_experts) + column;
  }
  /// Negative: none of the experts.
  [[nodiscard]] __device__ int expert_of(size_t choice) const {
    const int32_t expert = dispatch_.choices[choice];
    return expert < experts_.layout.num_experts ? expert : -1;
  }
  [[nodiscard]] __device__ uint64_t bits_of(int rank) const {
    return static_cast<uint64_t>(shared_.bits[rank][1]) << 32 | shared_.bits[rank][0];
  }

  __device__ void count_token(int token) {
    const int top_k = experts_.layout.top_k;
    RankBits bits{0, 0};
    for (int choice = 0; choice < top_k; ++choice) {
      const int expert = expert_of(static_cast<size_t>(token) * top_k + choice);
      if (expert >= 0) {
        atomicAdd(&shared_.next_index[expert], 1U);
        bits.add(experts_.rank_of_expert[expert]);
      }
    }
    while (bits.any()) {
      atomicAdd(&shared_.next_slot[bits.take()], 1U);
    }
  }

  /// Of the blocks before; several words are on their way at once.
  __device__ bool add_before(const Patience& patience, int column, uint32_t& sum) const {
    constexpr int kAtOnce = 8;
    const auto before = static_cast<int>(blockIdx.x);
    for (int first = 0; first < before; first += kAtOnce) {
      for (unsigned polls = 1;; ++polls) {
        uint64_t words[kAtOnce];
        bool there = true;
        uint32_t part = 0;
#pragma unroll
        for (int i = 0; i < kAtOnce; ++i) {
          words[i] = first + i < before ? load_near(word_of(first + i, column)) : Arrival::word(call_, 0);
        }
#pragma unroll
        for (int i = 0; i < kAtOnce; ++i) {
          there = there && Arrival::call(words[i]) == call_;
          part += Arrival::parts(words[i]);
        }
        if (there) {
          sum += part;
          break;
        }
        if (polls % kPollsPerLook == 0 && patience.is_over(experts_.rank, call_)) {
          return false;
        }
      }
    }
    return true;
  }

  /// The receivers what they need to know before rows come.
  __device__ void tell(int column, uint32_t before, uint32_t own) const {
    const ExpertLayout& layout = experts_.layout;
    const auto pusher = static_cast<int>(blockIdx.x);
    if (column < num_ranks()) {
      char* const area = experts_.areas[column];
      store_word(area + layout.first(experts_.rank, pusher), Arrival::word(call_, before));
      store_word(area + layout.end(experts_.rank, pusher), Arrival::word(call_, before + own));
      if (pusher == 0) {
        store_word(area + layout.pushers(experts_.rank),
                   Arrival::word(call_, static_cast<uint32_t>(dispatch_.num_pushers)));
      }
    } else if (pusher == dispatch_.num_pushers - 1) {
      const int expert = column - num_ranks();
      char* const area = experts_.areas[experts_.rank_of_expert[expert]];
      store_word(area + layout.count(experts_.rank, expert), Arrival::word(call_, before + own));
    }
  }

  /// Fills a list with the batch that begins at `first`, and tells receivers its choices. Finders.
  __device__ void find(int list, int first) {
    const int count = end_ - first < batch_ ? end_ - first : batch_;
    if (count <= 0) {
      return;
    }
    read_choices(first, count);
    sync_finders();
    const int finder = static_cast<int>(threadIdx.x) - kWarp;
    RankBits bits{0, 0};
    if (finder < kPushBatch) {
      bits = find_ranks(finder, count);
    } else {
      number_rows(count);
    }
    sync_finders();
    if (finder < kPushBatch) {
      find_places(shared_.lists[list], finder, first, count, bits);
    }
    sync_finders();
    send_records(first, count);
    for (int rank = finder; rank < num_ranks(); rank += kFinders) {
      shared_.next_slot[rank] += static_cast<uint32_t>(__popcll(bits_of(rank)));
      shared_.ends[list][rank] = shared_.next_slot[rank];
    }
    sync_finders();
  }

  __device__ void read_choices(int first, int count) const {
    const int top_k = experts_.layout.top_k;
    for (int i = static_cast<int>(threadIdx.x) - kWarp; i < count * top_k; i += kFinders) {
      const int expert = expert_of(static_cast<size_t>(first) * top_k + i);
      shared_.experts[i] = expert;
      shared_.ranks[i] = static_cast<int8_t>(expert < 0 ? -1 : experts_.rank_of_expert[expert]);
    }
  }

  /// Of a token; two warps.
  [[nodiscard]] __device__ RankBits find_ranks(int token, int count) const {
    const int top_k = experts_.layout.top_k;
    RankBits bits{0, 0};
    for (int choice = 0; token < count && choice < top_k; ++choice) {
      const int rank = shared_.ranks[token * top_k + choice];
      if (rank >= 0) {
        bits.add(rank);
      }
    }
    for (int rank = 0; rank < num_ranks(); ++rank) {
      const unsigned both = __ballot_sync(0xffffffffU, bits.has(rank));
      if (token % kWarp == 0) {
        shared_.bits[rank][token / kWarp] = both;
      }
    }
    return bits;
  }

  /// Which of the rows of its expert each choice is, in the order of tokens and choices. One warp.
  __device__ void number_rows(int count) const {
    const auto lane = static_cast<int>(threadIdx.x % kWarp);
    const int all = count * experts_.layout.top_k;
    for (int first = 0; first < all; first += kWarp) {
      const int expert = first + lane < all ? shared_.experts[first + lane] : -1;
      const unsigned same = __match_any_sync(0xffffffffU, expert);
      const auto before = static_cast<uint32_t>(__popc(same & ((1U << lane) - 1)));
      if (expert >= 0) {
        shared_.index[first + lane] = shared_.next_index[expert] + before;
      }
      __syncwarp();
      if (expert >= 0 && before == 0) {
        shared_.next_index[expert] += static_cast<uint32_t>(__popc(same));
      }
      __syncwarp();
    }
  }

  __device__ void find_places(RowList& list, int token, int first, int count, RankBits bits) const {
    const int top_k = experts_.layout.top_k;
    const uint64_t before = (uint64_t{1} << token) - 1;
    int fan = 0, remote = 0;
    while (bits.any()) {
      const int rank = bits.take();
      const uint32_t place =
          place_of(rank, shared_.next_slot[rank] + static_cast<uint32_t>(__popcll(bits_of(rank) & before)));
      shared_.places[token][fan++] = place;
      if (rank != experts_.rank) {
        list.to[token][remote++] = place;
      }
    }
    shared_.fan[token] = static_cast<uint8_t>(fan);
    list.fan[token] = static_cast<uint8_t>(remote);
    list.from[token] = static_cast<uint32_t>(first + token);
    if (token == 0) {
      list.count = count;
    }
    for (int i = 0; token < count && i < top_k; ++i) {
      experts_.places[static_cast<size_t>(first + token) * top_k + i] = i < fan ? shared_.places[token][i] : kNoPlace;
    }
  }

  __device__ void send_records(int first, int count) const {
    const ExpertLayout& layout = experts_.layout;
    const int top_k = layout.top_k;
    const int copies = top_k < layout.num_ranks ? top_k : layout.num_ranks;
    for (int i = static_cast<int>(threadIdx.x) - kWarp; i < count * copies * top_k; i += kFinders) {
      const int choice = i % top_k;
      const int copy = i / top_k % copies;
      const int token = i / (top_k * copies);
      if (copy >= shared_.fan[token]) {
        continue;
      }
      const uint32_t place = shared_.places[token][copy];
      const int at = token * top_k + choice;
      const bool is_there = shared_.ranks[at] == rank_of(place);
      const bool has_weight = is_there && dispatch_.weights != nullptr;
      const float weight = has_weight ? dispatch_.weights[static_cast<size_t>(first) * top_k + at] : 0;
      const uint64_t expert = static_cast<uint32_t>(is_there ? shared_.experts[at] : -1);
      const uint64_t index = is_there ? shared_.index[at] : 0;
      store_pair(experts_.areas[rank_of(place)] + layout.record(experts_.rank, slot_of(place), choice),
                 {index << 32 | expert,
                  static_cast<uint64_t>(static_cast<uint32_t>(first + token)) << 32 | __float_as_uint(weight)});
    }
  }

  /// The batch's rows, and then how far they are. One thread, which knows of the batch's records.
  __device__ void move(int list) {
    const ExpertLayout& layout = experts_.layout;
    const uint64_t row_bytes = dispatch_.cut.row_bytes;
    mover_.move(
        shared_.lists[list], [&](uint32_t token) { return dispatch_.rows + static_cast<size_t>(token) * row_bytes; },
        [&](uint32_t place) { return experts_.areas[rank_of(place)] + layout.row(experts_.rank, slot_of(place)); });
    await_stores();
    __threadfence_system();
    for (int rank = 0; rank < layout.num_ranks; ++rank) {
      store_word(experts_.areas[rank] + layout.progress(experts_.rank, static_cast<int>(blockIdx.x)),
                 Arrival::word(call_, shared_.ends[list][rank]));
    }
  }

  const ExpertDispatch& dispatch_;
  const Experts& experts_;
  DispatchShared& shared_;
  RowMover<kStages>& mover_;
  uint64_t call_;
  int num_tokens_, begin_, end_, batch_;
};

}  // namespace banyan::cuda
