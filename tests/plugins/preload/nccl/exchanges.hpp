// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include "nccl_api.hpp"

/// What the cases have in common, and those that need more room.
struct Block {
  int peer;
  size_t size_bytes;
};

/// To stdout, which is compared.
void print(const char* what, nccl::Result result);
void print_sum(const char* what, double value);

nccl::Stream* stream(size_t number);
nccl::UniqueId unique_id();
/// Of one rank in this process; the others are elsewhere.
nccl::Comm* init_rank(int rank, int num_ranks);
/// A group of the sends and then the receives; prints what is received.
void exchange(nccl::Comm* comm, const std::vector<Block>& sends, const std::vector<Block>& receives);
void destroy(const std::vector<nccl::Comm*>& comms);

/// Rank BANYAN_RANK of four. In two exchanges rank i sends 100 i + 10 j + 1 or 2 bytes to j, and 1 nothing to 2.
void job();
void life_cycle();
void non_blocking();
void threads();
/// Prints to stderr, since no two runs are alike.
void time_calls();
