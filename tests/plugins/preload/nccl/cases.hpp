// SPDX-License-Identifier: Apache-2.0
#pragma once

/// What a program that uses NCCL does, in one case; prints what it got. 0 if the case is there.
extern "C" int run_case(const char* name);

/// One that the caller ends, of a rank alone in its process.
extern "C" void* make_communicator();
