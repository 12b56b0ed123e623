// SPDX-License-Identifier: Apache-2.0
#pragma once

/// The progress of banyan-profile on stderr: on a terminal one line that is rewritten, else a line per probe.
class ProgressBar {
 public:
  explicit ProgressBar(bool on_terminal) : on_terminal_(on_terminal) {}
  /// For banyan_profile_config: `context` is a ProgressBar.
  static void show(int done, int total, const char* probe, double eta_s, void* context);
  /// Clears the line.
  void finish();

 private:
  void draw(int done, int total, const char* probe, double eta_s);

  bool on_terminal_;
  bool drawn_ = false;
};
