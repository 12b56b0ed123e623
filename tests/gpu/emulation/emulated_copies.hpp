// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>

/// The copy engine of an emulated multiprocessor: copies of a block are made some time after they were asked for.
namespace banyan::emulation {

/// Into shared memory, and then `done`.
void copy_in(char* to, const char* from, size_t bytes, std::function<void()> done);
/// Out of it, in the open group.
void copy_out(char* to, const char* from, size_t bytes);
/// Ends a group.
void commit_copies();
/// Until at most `pending` groups have not been read.
void await_copies_read(size_t pending);
/// Until all have arrived.
void await_copies();
/// Makes some of the block's copies.
void advance_copies(unsigned lot);

}  // namespace banyan::emulation
