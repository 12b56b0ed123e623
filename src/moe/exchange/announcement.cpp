// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/announcement.hpp"

#include <algorithm>
#include <cstring>

namespace banyan::moe {

Announced announce(coll::Engine& engine, const coll::Options& options, const Announcement& own) {
  const size_t num_ranks = own.metadata_bytes.size();
  const size_t count_bytes = own.counts.size_bytes();
  const size_t note_begin = sizeof(Header) + count_bytes;
  const size_t block = note_begin + own.note.size();
  std::vector<std::byte> out(num_ranks * block), in(out.size());
  Header header = own.header;
  for (size_t rank = 0; rank < num_ranks; ++rank) {
    header.metadata_bytes = own.metadata_bytes[rank];
    std::byte* to = out.data() + rank * block;
    std::memcpy(to, &header, sizeof header);
    if (count_bytes > 0) {
      std::memcpy(to + sizeof header, own.counts.data(), count_bytes);
    }
    std::copy(own.note.begin(), own.note.end(), to + note_begin);
  }
  engine.alltoall(out.data(), in.data(), block, options);
  Announced all{
      std::vector<Header>(num_ranks), std::vector<uint32_t>(num_ranks * own.counts.size()), own.counts.size(), {}};
  for (size_t rank = 0; rank < num_ranks; ++rank) {
    const std::byte* from = in.data() + rank * block;
    std::memcpy(&all.headers[rank], from, sizeof header);
    if (count_bytes > 0) {
      std::memcpy(all.counts.data() + rank * all.num_counts, from + sizeof header, count_bytes);
    }
    all.notes.insert(all.notes.end(), from + note_begin, from + block);
  }
  return all;
}

}  // namespace banyan::moe
