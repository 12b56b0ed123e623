# SPDX-License-Identifier: Apache-2.0
"""All-to-alls as Python programs make them; rank 0 prints digests of what each rank got."""
import array
import hashlib

from mpi4py import MPI


lines = []


def digest(name, data):
    lines.append(f"rank {MPI.COMM_WORLD.rank}: {name} {hashlib.sha256(bytes(data)).hexdigest()}")


def exchange(comm, name):
    rank, size = comm.rank, comm.size
    for per_rank in (0, 1, 7, 3000):
        sent = array.array("d", (rank + i / 8 for i in range(per_rank * size)))
        received = array.array("d", bytes(8 * per_rank * size))
        comm.Alltoall(sent, received)
        digest(f"{name} Alltoall {per_rank}", received)
        comm.Alltoall(MPI.IN_PLACE, received)
        digest(f"{name} Alltoall in place {per_rank}", received)
    sendcounts = [(rank + 2 * peer) % 5 for peer in range(size)]
    recvcounts = [(peer + 2 * rank) % 5 for peer in range(size)]
    sent = array.array("i", range(100 * rank, 100 * rank + sum(sendcounts)))
    received = array.array("i", bytes(4 * sum(recvcounts)))
    comm.Alltoallv([sent, sendcounts], [received, recvcounts])
    digest(f"{name} Alltoallv", received)
    objects = comm.alltoall([{"from": rank, "to": peer, "text": "x" * (rank * peer)} for peer in range(size)])
    digest(f"{name} objects", repr(objects).encode())
    request = comm.Ialltoall(array.array("i", [rank] * size), ones := array.array("i", [0] * size))
    request.Wait()
    digest(f"{name} Ialltoall", ones)


def main():
    world = MPI.COMM_WORLD
    exchange(world, "world")
    half = world.Split(world.rank % 2, -world.rank)
    exchange(half, "half")
    half.Free()
    column = world.Create_cart([2, world.size // 2]).Sub([True, False])
    exchange(column, "column")  # left to the end
    for of_rank in world.gather(lines, root=0) or []:
        print(*of_rank, sep="\n")


main()
