// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "banyan/moe.h"
#include "moe/exchange/group.hpp"
#include "moe/exchange/slices.hpp"

namespace banyan::c_api {

/// A config as terms; borrows its arrays. What is wrong in it is in `problem`, for all ranks to hear.
[[nodiscard]] moe::GroupTerms moe_terms_of(const banyan_moe_config& config);
[[nodiscard]] moe::DuplicateTerms moe_duplicates_of(const banyan_moe_config& config, int num_ranks);

}  // namespace banyan::c_api
