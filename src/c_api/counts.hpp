// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "c_api/handles.hpp"

/// Sizes that users give, in elements: checked, and turned into bytes.
namespace banyan::c_api {

/// The bytes per pair of a uniform exchange. Error{INVALID_ARGUMENT} for buffers that are missing, Error{NOT_SUPPORTED}
/// for equal ones, Error{LIMIT} where a product overflows.
[[nodiscard]] size_t check_uniform(const comm::Communicator& communicator, const void* sendbuf, void* recvbuf,
                                   size_t count, size_t element_size);

/// The arguments of an all-to-all-v, as a user gives them.
struct VArguments {
  const void* sendbuf;
  const size_t* sendcounts;
  const size_t* sdispls;
  void* recvbuf;
  const size_t* recvcounts;
  const size_t* rdispls;
  size_t element_size;
};

/// Fills `layout` with the arguments in bytes. If the rank's own two counts differ, the communicator is aborted: its
/// peers would wait in vain.
void check_v(comm::Communicator& communicator, const VArguments& arguments, Layout& layout);

}  // namespace banyan::c_api
