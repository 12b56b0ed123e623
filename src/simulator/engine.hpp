// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "cost/cost_model.hpp"
#include "simulator/event_queue.hpp"
#include "simulator/message_source.hpp"
#include "simulator/places.hpp"
#include "simulator/simulate.hpp"
#include "simulator/timeline.hpp"
#include "simulator/wires.hpp"

namespace banyan::simulator {

/// One run of a simulation: what simulate() does. docs/simulator.md describes the model.
class Engine {
 public:
  Engine(MessageSource& source, const topology::LocalityTree& tree, const cost::CostModel& model,
         const Options& options);
  [[nodiscard]] Timeline run();

 private:
  static constexpr int kNone = -1;

  /// A message between its issue and its end.
  struct Message {
    Transfer transfer;
    MessageTiming timing;
    int next = kNone;  ///< in a list of received messages, or of free places
  };
  /// What a rank's core does. It does one thing at a time.
  struct Core {
    enum class Task : uint8_t { kIdle, kOwnBlock, kSend, kReceive };

    Task task = Task::kIdle;
    int message = kNone;  ///< of the task
    int in_flight = 0;    ///< sends with path kMessage
    int first_received = kNone;
    int last_received = kNone;
    bool waits_to_run = false;
    bool sent_last = false;  ///< its last task was a send
  };
  /// Work on a host's behalf that its ranks' tasks queue for.
  struct HostShare {
    double stack_free_s = 0;   ///< messages between hosts: g each
    double memory_free_s = 0;  ///< copies
  };
  struct Work {
    double overhead_s = 0;
    double gap_s = 0;
    double copy_bytes = 0;
    double copy_bytes_per_s = 0;  ///< of one core; 0: copies take no time
  };

  void begin();
  void step();
  void core_done(int rank);
  void latency_over(int message);
  void wires_move();
  void left_sender(int message);
  void run_cores();
  void run_core(int rank);
  bool take_task(int rank);
  bool take_send(int rank);
  bool take_received(int rank);
  void begin_task(int rank, Core::Task task, int message, const Work& work);
  void end_task(int rank);
  void sent(int message);
  void arrive(int message);
  void received(int message);
  void wake(int rank);
  [[nodiscard]] uint64_t connection_of(const Transfer& transfer) const noexcept;
  [[nodiscard]] Work own_work(uint64_t bytes) const;
  [[nodiscard]] Work send_work(const Transfer& transfer) const;
  [[nodiscard]] Work receive_work(const Transfer& transfer) const;
  [[nodiscard]] int new_message(const Transfer& transfer);
  [[nodiscard]] StepTiming& step_of(const Transfer& transfer);
  [[nodiscard]] Timeline finish();

  MessageSource& source_;
  const cost::CostModel& model_;
  Options options_;
  int window_;
  Places places_;
  std::unique_ptr<Wires> network_;
  EventQueue events_;
  double now_s_ = 0;
  std::vector<Core> cores_;  ///< by rank
  std::vector<HostShare> hosts_;
  std::vector<Message> messages_;
  int free_message_ = kNone;
  std::vector<int> runnable_;  ///< ranks whose cores may have something to do
  uint64_t issued_ = 0;
  Timeline timeline_;
};

}  // namespace banyan::simulator
