// SPDX-License-Identifier: Apache-2.0
#include "simulator/executed_source.hpp"

namespace banyan::simulator {

ExecutedSource::ExecutedSource(const Execution& execution)
    : execution_(execution), parts_(cut_execution(execution)), ranks_(parts_.ranks.size()) {
  const auto exchanges = static_cast<size_t>(execution.exchanges);
  received_.resize(exchanges * ranks_.size());
  progress_.resize(exchanges * parts_.messages.size());
  for (int exchange = 0; exchange < execution.exchanges; ++exchange) {
    for (size_t rank = 0; rank < ranks_.size(); ++rank) {
      received(exchange, static_cast<int>(rank)).is_here.resize(parts_.ranks[rank].expected.size());
    }
    for (uint32_t message = 0; message < parts_.messages.size(); ++message) {
      progress(exchange, message).missing = parts_.messages[message].missing;
    }
  }
  for (int rank = 0; rank < num_ranks(); ++rank) {
    begin(rank);
  }
}

void ExecutedSource::begin(int rank) {
  Rank& state = ranks_[static_cast<size_t>(rank)];
  for (const uint32_t message : part(rank).startable) {
    state.ready.push({state.exchange, message});
  }
  state.own_is_copied = part(rank).own_bytes == 0;
}

bool ExecutedSource::is_done(int rank) const {
  const Rank& state = ranks_[static_cast<size_t>(rank)];
  return state.own_is_copied && state.next_piece == 0 && state.num_messages == part(rank).num_messages &&
         state.next_remote == part(rank).remote.size() && state.next_local == part(rank).local.size() &&
         received(state.exchange, rank).pieces == part(rank).num_receives;
}

bool ExecutedSource::next(int rank, bool, Transfer& send) {
  Rank& state = ranks_[static_cast<size_t>(rank)];
  while (state.exchange < execution_.exchanges) {
    if (take(rank, send)) {
      return true;
    }
    if (!is_done(rank)) {
      return false;
    }
    state = {.exchange = state.exchange + 1, .own_is_copied = false, .ready = std::move(state.ready)};
    if (state.exchange == execution_.exchanges) {
      ++finished_;
    } else {
      begin(rank);
    }
  }
  return false;
}

/// In the order of the executor's loop, but for the own block: the executor copies it in bits beside all else, here it
/// is one piece of work and comes first, as in a schedule's simulation.
bool ExecutedSource::take(int rank, Transfer& send) {
  Rank& state = ranks_[static_cast<size_t>(rank)];
  if (!state.own_is_copied) {
    state.own_is_copied = true;
    send = {.from = rank, .to = rank, .packed = part(rank).own_bytes};
    return true;
  }
  if (take_aggregated(rank, send) || take_remote(rank, send)) {
    return true;
  }
  if (state.next_local == part(rank).local.size()) {
    return false;
  }
  take_piece(state, part(rank).local[state.next_local++], send);
  return true;
}

void ExecutedSource::take_piece(const Rank& rank, uint32_t piece, Transfer& send) const {
  send = parts_.pieces[piece].transfer;
  send.token += static_cast<uint64_t>(rank.exchange) * parts_.pieces.size();
}

bool ExecutedSource::take_aggregated(int rank, Transfer& send) {
  Rank& state = ranks_[static_cast<size_t>(rank)];
  if (state.next_piece == 0) {
    if (state.ready.empty() || state.ready.top().exchange != state.exchange) {
      return false;
    }
    state.sending = state.ready.top().message;
    state.ready.pop();
    ++state.num_messages;
  }
  const auto& pieces = parts_.messages[state.sending].pieces;
  take_piece(state, pieces[state.next_piece++], send);
  state.next_piece = state.next_piece == pieces.size() ? 0 : state.next_piece;
  return true;
}

bool ExecutedSource::take_remote(int rank, Transfer& send) {
  Rank& state = ranks_[static_cast<size_t>(rank)];
  catch_up(rank);
  if (state.next_remote == part(rank).remote.size()) {
    return false;
  }
  const uint32_t piece = part(rank).remote[state.next_remote];
  if (runs_ahead(rank, parts_.pieces[piece].transfer)) {
    return false;
  }
  take_piece(state, piece, send);
  state.ahead_bytes += send.bytes;
  state.sent_bytes += send.bytes;
  ++state.next_remote;
  return true;
}

/// As HostExecutor::catch_up.
void ExecutedSource::catch_up(int rank) {
  Rank& state = ranks_[static_cast<size_t>(rank)];
  const auto& expected = part(rank).expected;
  const auto& is_here = received(state.exchange, rank).is_here;
  while (state.next_missing < expected.size() && is_here[state.next_missing]) {
    ++state.next_missing;
  }
  const bool all_here = state.next_missing == expected.size();
  while (state.next_caught_up < state.next_remote) {
    const auto& piece = parts_.pieces[part(rank).remote[state.next_caught_up]];
    if (!all_here && piece.order >= expected[state.next_missing].order) {
      break;
    }
    state.ahead_bytes -= piece.transfer.bytes;
    ++state.next_caught_up;
  }
}

/// As HostExecutor::runs_ahead.
bool ExecutedSource::runs_ahead(int rank, const Transfer& transfer) const {
  const Rank& state = ranks_[static_cast<size_t>(rank)];
  const executor::CompileOptions& options = execution_.options[static_cast<size_t>(rank)];
  const auto window = static_cast<size_t>(options.window);
  if (state.next_remote - state.next_caught_up < window || state.ahead_bytes + transfer.bytes <= options.window_bytes) {
    return false;
  }
  if (options.rule.uniform || part(rank).bytes_to_receive == 0) {
    return options.rule.uniform;
  }
  const double share =
      static_cast<double>(received(state.exchange, rank).bytes) / static_cast<double>(part(rank).bytes_to_receive);
  const auto allowed = static_cast<uint64_t>(share * static_cast<double>(part(rank).bytes_to_send));
  return state.sent_bytes > allowed + (window - 1) * options.chunk_bytes;
}

void ExecutedSource::arrived(const Transfer& transfer) {
  const auto exchange = static_cast<int>(transfer.token / parts_.pieces.size());
  const ExecutionParts::Piece& piece = parts_.pieces[transfer.token % parts_.pieces.size()];
  Received& here = received(exchange, transfer.to);
  ++here.pieces;
  if (piece.message >= 0) {
    const auto message = static_cast<uint32_t>(piece.message);
    if (++progress(exchange, message).pieces == parts_.messages[message].pieces.size()) {
      message_arrived(exchange, message);
    }
  } else if (!transfer.by_receiver) {
    here.is_here[piece.at_receiver] = true;
    here.bytes += transfer.bytes;
  }
}

void ExecutedSource::message_arrived(int exchange, uint32_t message) {
  for (const uint32_t fed : parts_.messages[message].feeds) {
    if (--progress(exchange, fed).missing == 0) {
      const int at = parts_.pieces[parts_.messages[fed].pieces.front()].transfer.from;
      ranks_[static_cast<size_t>(at)].ready.push({exchange, fed});
    }
  }
}

}  // namespace banyan::simulator
