// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/handshake.hpp"

#include <algorithm>

namespace banyan::bootstrap {
namespace {

constexpr std::string_view kHelloMagic = "BANYANhi";
constexpr std::string_view kChallengeMagic = "BANYANch";
constexpr size_t kMacBytes = 32;
constexpr size_t kChallengeBodyBytes = kChallengeBytes - kMacBytes;

using Mac = std::array<unsigned char, kMacBytes>;

Mac mac(const Secret& secret, std::string_view label, Bytes hello, Bytes challenge) {
  const std::array parts = {as_bytes(label), hello, challenge};
  Mac result;
  keyed_hash(result, secret.bytes(), parts);
  return result;
}

Mac root_mac(const Secret& secret, Bytes hello, Bytes challenge_body) {
  return mac(secret, "banyan root proof", hello, challenge_body);
}

Mac rank_mac(const Secret& secret, Bytes hello, Bytes challenge) {
  return mac(secret, "banyan rank proof", hello, challenge);
}

void derive_keys(const Secret& secret, Bytes hello, Bytes challenge, SessionKeys& keys) {
  const std::array to_root = {as_bytes("banyan key to root"), hello, challenge};
  keyed_hash(keys.to_root, secret.bytes(), to_root);
  const std::array from_root = {as_bytes("banyan key from root"), hello, challenge};
  keyed_hash(keys.from_root, secret.bytes(), from_root);
}

template <size_t count>
std::array<unsigned char, count> to_array(const WireWriter& writer) {
  std::array<unsigned char, count> result;
  std::copy_n(writer.result().begin(), count, result.begin());
  return result;
}

bool starts_with(Bytes bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && std::ranges::equal(bytes.first(magic.size()), as_bytes(magic));
}

}  // namespace

RankHandshake::RankHandshake(const Secret& secret, const JobId& job_id, const Claim& claim) : secret_(secret) {
  std::array<unsigned char, kNonceBytes> nonce;
  fill_random(nonce);
  WireWriter writer;
  writer.bytes(as_bytes(kHelloMagic)).u16(claim.version).u16(0);
  writer.u32(claim.rank).u32(claim.size).u32(claim.patience_ms).bytes(job_id).bytes(nonce);
  hello_ = to_array<kHelloBytes>(writer);
}

std::optional<std::array<unsigned char, kProofBytes>> RankHandshake::answer(Bytes challenge) {
  if (challenge.size() != kChallengeBytes || !starts_with(challenge, kChallengeMagic)) {
    return std::nullopt;
  }
  const Mac expected = root_mac(secret_, hello_, challenge.first(kChallengeBodyBytes));
  if (!equal_in_constant_time(expected, challenge.subspan(kChallengeBodyBytes))) {
    return std::nullopt;
  }
  derive_keys(secret_, hello_, challenge, keys_);
  return rank_mac(secret_, hello_, challenge);
}

std::optional<std::array<unsigned char, kChallengeBytes>> RootHandshake::challenge(Bytes hello) {
  if (hello.size() != kHelloBytes || !starts_with(hello, kHelloMagic)) {
    return std::nullopt;
  }
  WireReader reader(hello.subspan(kHelloMagic.size()));
  Claim claim;
  claim.version = reader.u16();
  const bool reserved_is_zero = reader.u16() == 0;
  claim.rank = reader.u32();
  claim.size = reader.u32();
  claim.patience_ms = reader.u32();
  if (!reserved_is_zero || !std::ranges::equal(reader.bytes(job_id_.size()), job_id_)) {
    return std::nullopt;
  }
  claim_ = claim;
  std::ranges::copy(hello, hello_.begin());
  std::array<unsigned char, kNonceBytes> nonce;
  fill_random(nonce);
  WireWriter writer;
  writer.bytes(as_bytes(kChallengeMagic)).u16(kProtocolVersion).u16(0).u64(0).bytes(nonce);
  writer.bytes(root_mac(secret_, hello_, writer.result()));
  challenge_ = to_array<kChallengeBytes>(writer);
  return challenge_;
}

bool RootHandshake::verify(Bytes proof) {
  const Mac expected = rank_mac(secret_, hello_, challenge_);
  if (proof.size() != kProofBytes || !equal_in_constant_time(expected, proof)) {
    return false;
  }
  derive_keys(secret_, hello_, challenge_, keys_);
  return true;
}

}  // namespace banyan::bootstrap
