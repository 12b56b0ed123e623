// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/program_options.hpp>

#include "layer/layer.hpp"

namespace banyan::perf {

/// The options that set a layer's terms but for its tokens; they set `terms`, which must outlive the parse.
[[nodiscard]] boost::program_options::options_description layer_options(LayerTerms& terms);

}  // namespace banyan::perf
