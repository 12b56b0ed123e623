/* SPDX-License-Identifier: Apache-2.0 */
/** Umbrella of Banyan's C API. docs/c-api.md is the guide; each header documents its functions. */
#ifndef BANYAN_BANYAN_H
#define BANYAN_BANYAN_H

#include "banyan/alltoall.h"
#include "banyan/comm.h"
#include "banyan/device.h"
#include "banyan/fastmoe.h"
#include "banyan/gate.h"
#include "banyan/gate_loss.h"
#include "banyan/info.h"
#include "banyan/moe.h"
#include "banyan/placement.h"
#include "banyan/plan.h"
#include "banyan/profile.h"
#include "banyan/status.h"
#include "banyan/targets.h"
#include "banyan/topology.h"
#include "banyan/types.h"
#include "banyan/weighted.h"

#endif
