# SPDX-License-Identifier: Apache-2.0
"""What the library counts in each case of cases.cpp, by hand."""


def communicator(ranks, rank, made_by="init_rank", state="destroyed", alltoall=None, alltoallv=None, partial=None,
                 left_alone=None, unknown_datatypes=0):
    """As counted() gives it. alltoall: calls, bytes per pair in all, least, most; alltoallv: calls, those of one block
    size, bytes sent, received; partial: calls, missing sends, receives, calls without itself, sent, received; left_alone:
    sends, receives, bytes sent, received."""
    return {"ranks": ranks, "rank": rank, "made_by": made_by, "state": state, "alltoall": alltoall or [0, 0, 0, 0],
            "alltoallv": alltoallv or [0, 0, [], []], "partial": partial or [0, 0, 0, 0, [], []],
            "left_alone": left_alone or [0, 0, 0, 0], "unknown_datatypes": unknown_datatypes}


def counted(reported):
    """A communicator of a report without what differs from run to run; it has an identity."""
    assert len(reported["id"]) == 16 and reported["nccl_version"] in (22809, 22005), reported
    return {name: list(value.values()) if isinstance(value, dict) else value for name, value in reported.items()
            if name not in ("id", "nccl_version")}


CASES = {
    "alltoall": [communicator(4, rank, "init_all", alltoall=[3, 84, 20, 36]) for rank in range(4)],
    "alltoall_alone": [communicator(4, 1, alltoall=[2, 64, 0, 64])],
    "equal_groups": [communicator(4, 1, alltoallv=[5, 5, [320] * 4, [320] * 4])],
    "uneven_groups": [communicator(4, 2, alltoallv=[1, 0, [1, 4, 7, 10], [3, 3, 7, 9]])],
    "empty_pairs_left_out": [communicator(4, 1, partial=[1, 1, 1, 1, [8, 0, 16, 24], [8, 4, 8, 0]])],
    "pipelines": [communicator(4, 1, left_alone=[5, 2, 382, 150])],
    "two_to_each": [communicator(3, 0, left_alone=[6, 6, 6, 6])],
    "nested_groups": [communicator(3, 0, alltoallv=[2, 2, [15] * 3, [15] * 3])],
    "two_communicators": [communicator(4, 3, alltoallv=[1, 1, [11] * 4, [11] * 4]),
                          communicator(3, 1, alltoallv=[1, 1, [22] * 3, [33] * 3])],
    "two_streams": [communicator(3, 0, left_alone=[3, 3, 3, 3])],
    "errors": [communicator(3, 0, alltoallv=[1, 1, [1] * 3, [1] * 3])],
    "simulated": [communicator(3, 0, alltoallv=[1, 1, [2] * 3, [2] * 3])],
    "unknown_datatype": [communicator(2, 0, alltoallv=[1, 1, [0, 0], [4, 4]], unknown_datatypes=2)],
    "threads": [communicator(2, 0, alltoallv=[100, 100, [200] * 2, [200] * 2]),
                communicator(3, 2, alltoallv=[100, 100, [300] * 3, [300] * 3])],
    "non_blocking": [communicator(3, 1, alltoallv=[1, 1, [7] * 3, [7] * 3]),
                     communicator(3, 1, "split", alltoallv=[1, 1, [9] * 3, [9] * 3])],
    # Those on which nothing was seen are not kept when they go; the world's rank 3 stays. The half of rank 1 has ranks
    # 1 and 0 by its keys; that of rank 2 is alone, and no all-to-all.
    "life_cycle": [communicator(4, 3, "init_all", "open"),
                   communicator(2, 0, "split", alltoallv=[1, 1, [3] * 2, [3] * 2]),
                   communicator(1, 0, "split", left_alone=[1, 1, 3, 3]),
                   communicator(3, 0, "shrink", "aborted", alltoallv=[1, 1, [5] * 3, [5] * 3]),
                   communicator(2, 1, alltoallv=[1, 1, [1] * 2, [1] * 2]),
                   communicator(2, 1, alltoallv=[1, 1, [2] * 2, [2] * 2]),
                   communicator(2, 1, alltoallv=[1, 1, [3] * 2, [3] * 2])],
}
