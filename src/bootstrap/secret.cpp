// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/secret.hpp"

#include <sodium.h>

#include <algorithm>
#include <string>

#include "base/error.hpp"
#include "base/parse.hpp"

namespace banyan::bootstrap {
namespace {

void initialize_sodium() {
  if (::sodium_init() < 0) {
    throw Error(BANYAN_ERR_INTERNAL, "libsodium cannot be initialised: no source of random numbers");
  }
}

}  // namespace

Secret::Secret(std::span<const unsigned char, kBytes> bytes) noexcept {
  std::copy(bytes.begin(), bytes.end(), bytes_.begin());
}

Secret::~Secret() { wipe(bytes_); }

Secret Secret::random() {
  Secret secret;
  fill_random(secret.bytes_);
  return secret;
}

Secret Secret::from_hex(std::string_view text, std::string_view origin) {
  const std::string_view digits = parse::trim(text);
  Secret secret;
  size_t written = 0;
  const char* end = nullptr;
  const bool parsed =
      digits.size() == 2 * kBytes &&
      ::sodium_hex2bin(secret.bytes_.data(), kBytes, digits.data(), digits.size(), nullptr, &written, &end) == 0 &&
      written == kBytes && end == digits.data() + digits.size();
  if (!parsed) {
    throw Error(BANYAN_ERR_AUTH, std::string(origin) + " does not hold a job secret: expected 64 hex digits, got " +
                                     std::to_string(digits.size()) +
                                     " characters. Make one with: openssl rand -hex 32");
  }
  return secret;
}

JobId random_job_id() {
  JobId id;
  fill_random(id);
  return id;
}

JobId job_id_from_name(std::string_view name) {
  JobId id;
  const std::span text(reinterpret_cast<const unsigned char*>(name.data()), name.size());
  ::crypto_generichash(id.data(), id.size(), text.data(), text.size(), nullptr, 0);
  return id;
}

void keyed_hash(std::span<unsigned char> out, std::span<const unsigned char> key,
                std::span<const std::span<const unsigned char>> parts) noexcept {
  crypto_generichash_state state;
  ::crypto_generichash_init(&state, key.data(), key.size(), out.size());
  for (const auto& part : parts) {
    ::crypto_generichash_update(&state, part.data(), part.size());
  }
  ::crypto_generichash_final(&state, out.data(), out.size());
  ::sodium_memzero(&state, sizeof state);
}

bool equal_in_constant_time(std::span<const unsigned char> a, std::span<const unsigned char> b) noexcept {
  return a.size() == b.size() && ::sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

void fill_random(std::span<unsigned char> out) {
  initialize_sodium();
  ::randombytes_buf(out.data(), out.size());
}

void wipe(std::span<unsigned char> memory) noexcept { ::sodium_memzero(memory.data(), memory.size()); }

}  // namespace banyan::bootstrap
