// SPDX-License-Identifier: Apache-2.0
#include "ucx/operation_pool.hpp"

#include <new>

namespace banyan::ucx {
namespace {

constexpr size_t kCacheLine = 64;
constexpr size_t kOperationsPerBlock = 64;

constexpr size_t round_up(size_t size) { return (size + kCacheLine - 1) / kCacheLine * kCacheLine; }

}  // namespace

OperationPool::OperationPool(size_t prefix_size)
    : prefix_size_(round_up(prefix_size)), stride_(prefix_size_ + round_up(sizeof(Operation))) {}

bool OperationPool::grow() noexcept {
  try {
    auto* memory = static_cast<std::byte*>(::operator new(stride_* kOperationsPerBlock, std::align_val_t(kCacheLine)));
    std::unique_ptr<std::byte, AlignedDelete> block(memory);
    blocks_.push_back(std::move(block));
    for (size_t i = 0; i < kOperationsPerBlock; ++i) {
      give(new (memory + i * stride_ + prefix_size_) Operation{});
    }
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

void OperationPool::AlignedDelete::operator()(std::byte* block) const noexcept {
  ::operator delete(block, std::align_val_t(kCacheLine));
}

}  // namespace banyan::ucx
