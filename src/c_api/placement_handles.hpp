// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "banyan/placement.h"
#include "moe/placement/moves.hpp"
#include "moe/placement/placement.hpp"
#include "moe/placement/popularity.hpp"

/// What the opaque handles of placement.h are.

struct banyan_popularity {
  banyan::moe::Popularity popularity;
};

struct banyan_placement {
  banyan::moe::Placement placement;
};

struct banyan_moves {
  banyan::moe::Moves moves;
};
