#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mpich_compare by itself: this test plays mpi_compare for all its ranks. The algorithm that a turn names is the one that
runs (seen from the messages that rank 0 hands to UCX), data arrive, waiting ranks use no core, nonsense ends them.

usage: mpich_compare_test.py MPICH_COMPARE UCX_SPY_LIBRARY     exit status 77: no MPICH here
"""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

RANKS = 4
BYTES = 4096


def status(path):
    """(state, parent's pid) of a process or thread; ("", 0) if there is none."""
    try:
        fields = pathlib.Path(path, "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", 0
    return fields[0], int(fields[1])


def parent(pid):
    return status(f"/proc/{pid}")[1]


def becomes(pid, thread, state):
    """Whether the thread is in that state within 10 s: after its last answer it may have a few lines to go."""
    end = time.monotonic() + 10
    while status(f"/proc/{pid}/task/{thread}")[0] != state:
        if time.monotonic() > end:
            return False
    return True


class Server:
    """mpich_compare on this machine, with a connection to each rank."""

    def __init__(self, folder):
        self.spied = folder / "spied"
        environment = dict(os.environ, UCX_TLS="sm,self", LD_PRELOAD=SPY, SPY_LOG=str(self.spied))
        self.process = subprocess.Popen(
            [HYDRA, "-n", str(RANKS), COMPARE, "--sockets", str(folder), "--yield"],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
        self.connections = []
        if not any("ready" in line for line in iter(self.process.stdout.readline, "")):  # to its end
            raise AssertionError(self.process.communicate(timeout=60)[1])
        for rank in range(RANKS):
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(60)
            connection.connect(str(folder / f"rank{rank}"))
            self.connections.append(connection)

    def proxies(self):
        """The processes that started the ranks: mpiexec's children."""
        return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and parent(pid) == self.process.pid]

    def ask(self, **request):
        """The same of all ranks; their answers by rank."""
        for connection in self.connections:
            self.send(connection, request)
        return [self.answer(connection) for connection in self.connections]

    @staticmethod
    def send(connection, request):
        text = json.dumps(request).encode()
        connection.sendall(struct.pack("=Q", len(text)) + text)

    @staticmethod
    def answer(connection):
        def read(size):
            data = b""
            while len(data) < size:
                more = connection.recv(size - len(data))
                if not more:
                    raise EOFError
                data += more
            return data

        return json.loads(read(struct.unpack("=Q", read(8))[0]))

    def close(self):
        for connection in self.connections:
            connection.close()
        self.process.terminate()
        self.process.communicate(timeout=60)


def traffic(variable=False):
    return {"ranks": RANKS, "element_size": 1, "uniform_bytes": None if variable else BYTES, "bytes": [BYTES] * RANKS**2}


class MpichCompareTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.server = Server(pathlib.Path(folder.name))
        self.addCleanup(self.server.close)

    def messages(self, algorithm, variable=False):
        """What rank 0 hands to UCX in one exchange, barriers left out."""
        player = self.server.ask(do="prepare", algorithm=algorithm, traffic=traffic(variable))[0]
        before = self.server.spied.read_text().count("\n")
        self.server.ask(do="time", player=player, warmup=0, exchanges=1)
        lines = self.server.spied.read_text().splitlines()[before:]
        return [line for line in lines if int(line.split()[1]) >= BYTES]

    def test_each_algorithm_that_is_named_is_the_one_that_runs(self):
        self.assertEqual(set(self.server.ask(do="algorithms", variable=False)[0]),
                         {"auto", "brucks", "nb", "pairwise", "scattered"})  # fmt: skip
        recv, send, send_two = [f"recv {BYTES}"], [f"send {BYTES}"], f"send {2 * BYTES}"
        self.assertEqual(self.messages("pairwise"), (recv + send) * 3)
        self.assertEqual(self.messages("scattered"), recv * 4 + send * 4)  # to itself, too
        self.assertEqual(self.messages("auto"), recv * 4 + send * 4)  # MPICH's own choice from 257 B to 32 KiB
        self.assertEqual(self.messages("brucks").count(send_two), 2)  # log2 of the ranks, half of the blocks in each
        self.assertNotIn(send[0], self.messages("brucks"))
        self.assertEqual(sorted(self.messages("nb")), recv * 4 + send * 4)
        self.assertEqual(self.messages("pairwise"), (recv + send) * 3)  # chosen anew for each turn

    def test_the_algorithms_of_an_all_to_all_v_send_every_block(self):
        names = self.server.ask(do="algorithms", variable=True)[0]
        self.assertEqual(set(names), {"auto", "nb", "scattered"})
        for name in names:
            self.assertEqual(sorted(self.messages(name, True)), [f"recv {BYTES}"] * 4 + [f"send {BYTES}"] * 4)

    def test_data_are_checked_and_all_ranks_agree_on_the_time(self):
        player = self.server.ask(do="prepare", algorithm="auto", traffic=traffic())[0]
        self.assertEqual(self.server.ask(do="check", player=player, salt=7), [0] * RANKS)
        times = self.server.ask(do="time", player=player, warmup=1, exchanges=2)
        self.assertEqual(len(set(times)), 1)
        self.assertGreater(times[0], 0)

    def test_waiting_ranks_sleep(self):
        pids = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if parent(pid) in self.server.proxies()]
        self.assertEqual(len(pids), RANKS)
        self.server.ask(do="hello")
        for pid in pids:
            self.assertTrue(all(becomes(pid, thread, "S") for thread in os.listdir(f"/proc/{pid}/task")))

    def test_what_does_not_exist_ends_all_ranks_with_a_reason(self):
        self.server.ask(do="hello")
        killed = contextlib.suppress(EOFError, ConnectionError)  # ranks that another's abort ended first
        for connection in self.server.connections:
            with killed:
                self.server.send(connection, {"do": "dance"})
        reasons = []
        for connection in self.server.connections:
            with killed:
                reasons.append(self.server.answer(connection))
        self.assertIn({"failed": 'asked for an unknown "dance"'}, reasons)
        self.server.process.communicate(timeout=60)
        self.assertNotEqual(self.server.process.returncode, 0)


if __name__ == "__main__":
    COMPARE, SPY = map(os.path.abspath, sys.argv[1:3])
    HYDRA = shutil.which("mpiexec.hydra")
    if HYDRA is None:
        print("SKIP: no mpiexec.hydra")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
