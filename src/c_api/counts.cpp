// SPDX-License-Identifier: Apache-2.0
#include "c_api/counts.hpp"

#include <string>
#include <vector>

#include "base/checked.hpp"
#include "c_api/boundary.hpp"

namespace banyan::c_api {
namespace {

size_t product(size_t count, size_t factor, const char* what, const char* factor_name = "element_size") {
  const auto bytes = checked::multiply(count, factor);
  if (!bytes) {
    throw Error(BANYAN_ERR_LIMIT, std::string(what) + " " + std::to_string(count) + " * " + factor_name + " " +
                                      std::to_string(factor) + " overflows size_t");
  }
  return *bytes;
}

void to_bytes(const size_t* counts, const size_t* displs, size_t size, size_t element_size, const char* counts_name,
              const char* displs_name, const void* buffer, const char* buffer_name, std::vector<size_t>& bytes,
              std::vector<size_t>& offsets) {
  static_cast<void>(require(counts, counts_name));
  static_cast<void>(require(displs, displs_name));
  bytes.resize(size);
  offsets.resize(size);
  for (size_t i = 0; i < size; ++i) {
    bytes[i] = product(counts[i], element_size, counts_name);
    offsets[i] = product(displs[i], element_size, displs_name);
    if (!checked::add(offsets[i], bytes[i])) {
      throw Error(BANYAN_ERR_LIMIT, std::string(displs_name) + "[" + std::to_string(i) + "] + " + counts_name + "[" +
                                        std::to_string(i) + "] overflows size_t");
    }
    if (bytes[i] > 0 && buffer == nullptr) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT, std::string(buffer_name) + " is NULL but " + counts_name + "[" +
                                                   std::to_string(i) + "] is " + std::to_string(counts[i]));
    }
  }
}

}  // namespace

size_t check_uniform(const comm::Communicator& communicator, const void* sendbuf, void* recvbuf, size_t count,
                     size_t element_size) {
  if (element_size == 0) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "element_size is 0");
  }
  const size_t bytes = product(count, element_size, "count");
  static_cast<void>(product(bytes, static_cast<size_t>(communicator.size()), "bytes per pair", "size"));
  if (bytes > 0) {
    static_cast<void>(require(static_cast<const char*>(sendbuf), "sendbuf"));
    static_cast<void>(require(static_cast<char*>(recvbuf), "recvbuf"));
    if (sendbuf == recvbuf) {
      throw Error(BANYAN_ERR_NOT_SUPPORTED, "sendbuf and recvbuf are the same; in-place exchanges are not supported");
    }
  }
  return bytes;
}

void check_v(comm::Communicator& communicator, const VArguments& a, Layout& layout) {
  if (a.element_size == 0) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "element_size is 0");
  }
  const auto size = static_cast<size_t>(communicator.size());
  to_bytes(a.sendcounts, a.sdispls, size, a.element_size, "sendcounts", "sdispls", a.sendbuf, "sendbuf",
           layout.send_bytes, layout.send_offsets);
  to_bytes(a.recvcounts, a.rdispls, size, a.element_size, "recvcounts", "rdispls", a.recvbuf, "recvbuf",
           layout.recv_bytes, layout.recv_offsets);
  const auto rank = static_cast<size_t>(communicator.rank());
  if (layout.send_bytes[rank] != layout.recv_bytes[rank]) {
    const std::string text = "rank " + std::to_string(rank) + " sends itself " + std::to_string(a.sendcounts[rank]) +
                             " elements and receives " + std::to_string(a.recvcounts[rank]);
    communicator.control().abort(BANYAN_ERR_MISMATCH, text);
    throw Error(BANYAN_ERR_MISMATCH, text);
  }
}

}  // namespace banyan::c_api
