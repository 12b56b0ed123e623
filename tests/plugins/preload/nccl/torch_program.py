#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""PyTorch's all-to-alls over NCCL, by ranks that share GPU 0: equal, uneven and lists, with an all-reduce between.

Prints a digest of all that this rank received, which must not depend on what is preloaded. By hand, on a machine with a
GPU and PyTorch, for R of 0 and 1, with and without LD_PRELOAD=libbanyan_preload_nccl.so BANYAN_PRELOAD=observe:
  RANK=R WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=29611 NCCL_HOSTID=hR NCCL_SOCKET_IFNAME=lo torch_program.py
"""
import hashlib
import os

import torch
import torch.distributed as dist


def main():
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    torch.cuda.set_device(0)
    dist.init_process_group("nccl", rank=rank, world_size=world, device_id=torch.device("cuda:0"))
    digest = hashlib.sha256()

    def note(tensor):
        digest.update(tensor.cpu().numpy().tobytes())

    for step in range(20):
        count = 1024 * (1 + step % 3)
        sent = torch.arange(world * count, device="cuda", dtype=torch.float32) + 1000003 * rank + step
        received = torch.empty_like(sent)
        dist.all_to_all_single(received, sent)
        note(received)
        sizes = [[(i * 7 + j * 3 + step) % 5 * 100 for j in range(world)] for i in range(world)]
        coming = [sizes[i][rank] for i in range(world)]
        sent = torch.arange(sum(sizes[rank]), device="cuda", dtype=torch.float32) * (rank + 1)
        received = torch.empty(sum(coming), device="cuda")
        dist.all_to_all_single(received, sent, coming, sizes[rank])
        note(received)
        parts = [torch.full((50,), float(rank * 10 + j + step), device="cuda") for j in range(world)]
        places = [torch.empty(50, device="cuda") for _ in range(world)]
        dist.all_to_all(places, parts)
        note(torch.cat(places))
        total = torch.ones(100, device="cuda") * rank
        dist.all_reduce(total)
        note(total)
    dist.barrier()
    torch.cuda.synchronize()
    print("rank", rank, digest.hexdigest()[:16], flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
