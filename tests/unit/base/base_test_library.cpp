// SPDX-License-Identifier: Apache-2.0
// Loaded by dl_test.cpp.

extern "C" __attribute__((visibility("default"))) int base_test_library_answer() { return 42; }
