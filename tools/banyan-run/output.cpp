// SPDX-License-Identifier: Apache-2.0
#include "output.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace banyan_run {
namespace {

constexpr size_t kMaxLineBytes = 65536;  // longer lines are cut, so that a rank cannot fill our memory

}  // namespace

TaggedStream::TaggedStream(int source, int target, int rank)
    : source_(source), target_(target), tag_("[" + std::to_string(rank) + "] ") {}

TaggedStream::TaggedStream(TaggedStream&& other) noexcept
    : source_(std::exchange(other.source_, -1)),
      target_(other.target_),
      tag_(std::move(other.tag_)),
      partial_(std::move(other.partial_)) {}

TaggedStream::~TaggedStream() {
  if (source_ >= 0) {
    ::close(source_);
  }
}

void TaggedStream::pass_on() {
  std::array<char, 16384> piece;
  const ssize_t count = ::read(source_, piece.data(), piece.size());
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) {
    return;
  }
  if (count <= 0) {
    if (!partial_.empty()) {
      write_line(std::exchange(partial_, {}));
    }
    ::close(std::exchange(source_, -1));
    return;
  }
  partial_.append(piece.data(), static_cast<size_t>(count));
  size_t begin = 0;
  for (size_t end = partial_.find('\n'); end != std::string::npos; end = partial_.find('\n', begin)) {
    write_line(partial_.substr(begin, end - begin));
    begin = end + 1;
  }
  partial_.erase(0, begin);
  if (partial_.size() > kMaxLineBytes) {
    write_line(std::exchange(partial_, {}));
  }
}

void TaggedStream::write_line(const std::string& line) const {
  const std::string text = tag_ + line + "\n";
  size_t written = 0;
  while (written < text.size()) {
    const ssize_t count = ::write(target_, text.data() + written, text.size() - written);
    if (count < 0 && errno != EINTR) {
      return;  // nobody reads our output any more
    }
    written += count > 0 ? static_cast<size_t>(count) : 0;
  }
}

}  // namespace banyan_run
