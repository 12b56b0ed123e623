#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""faults_test.py [--lab] BANYAN_RUN FAULT_PROBE [unittest's arguments]: bad input and faults.

Each is a status with a text that names rank, field and cause, on every rank concerned, within the deadline. The same
cases run with ranks that are threads, processes of this machine over shared memory, processes that stand for two hosts,
and with --lab, processes on the nodes of a lab.
"""

import collections
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest

RUN = PROBE = LAB = ""
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", "..", ".."))
BANYAN_LAB = os.path.join(ROOT, "tools", "lab", "banyan-lab")
KILL_LIMIT_S = 5  # docs/bootstrap.md: every survivor knows by then
HANG_LIMIT_S = 120

Line = collections.namedtuple("Line", "rank what status seconds text")


def parse(output):
    """The probe's lines."""
    lines = []
    for text in output.splitlines():
        match = re.match(r"rank (-?\d+) (\S+) (\S+) ([\d.]+) (.*)$", text)
        if match:
            rank, what, status, seconds, rest = match.groups()
            lines.append(Line(int(rank), what, status.removeprefix("BANYAN_").removeprefix("ERR_"), float(seconds), rest))
    return lines


class Cases:
    """What holds for every kind of ranks; `command` makes the command line of a case."""

    ranks = 3
    extra = ()

    def command(self, case, options):
        raise NotImplementedError

    def play(self, case, *options):
        """Runs a case; no rank may crash, leak or hang. Returns the lines."""
        command = self.command(case, [*options, *self.extra])
        try:
            done = subprocess.run(command, capture_output=True, timeout=HANG_LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            self.fail(f"hang: {' '.join(command)}")
        stdout, stderr = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
        said = f"{' '.join(command)}\n{stdout}\n{stderr}"
        for crash in re.finditer(r"rank (\d+) of \d+ \(pid \d+\) (?:exited|was ended)", stderr):
            self.assertIn(f"rank {crash[1]} dies", stdout, said)
        for finding in ("Sanitizer", "runtime error", "fault_probe:"):
            self.assertNotIn(finding, stderr, said)
        return parse(stdout)

    def expect(self, lines, what, status, *patterns, ranks=None):
        """These ranks (default: all) said `what` with that status and a text with these patterns."""
        for rank in range(self.ranks) if ranks is None else ranks:
            found = [line for line in lines if line.rank == rank and line.what == what]
            self.assertEqual(len(found), 1, f"rank {rank} {what}: {lines}")
            self.assertEqual(found[0].status, status, found[0])
            for pattern in patterns:
                self.assertRegex(found[0].text, pattern)

    def test_good_exchanges_are_good(self):
        for operation in ("alltoall", "alltoallv", "barrier"):
            for size in (1, 5000, 300000):
                self.expect(self.play("exchange", f"op={operation}", f"bytes={size}"), "exchange", "OK")

    def test_counts_of_zero_everywhere(self):
        self.expect(self.play("zero"), "exchange", "OK")

    def test_counts_that_differ(self):
        for size in (0, 64, 40000, 3000000):
            lines = self.play("count", "victim=1", f"bytes={size}")
            texts = (f"rank 1 has bytes per pair {size + 8}\\b", f"rank [023] has bytes per pair {size}\\b")
            self.expect(lines, "alltoall", "MISMATCH", *texts)
            self.expect(lines, "later", "MISMATCH", *texts)

    def test_v_counts_that_differ(self):
        for sent, expected in ((32, 64), (0, 64), (64, 0), (300000, 400000), (0, 400000), (400000, 0), (64, 400000), (400000, 64)):
            lines = self.play("vcount", "victim=1", f"sent={sent}", f"bytes={expected}")
            failed = [line for line in lines if line.what in ("alltoallv", "next") and line.status != "OK"]
            self.assertEqual(sorted(line.rank for line in failed), list(range(self.ranks)), lines)
            for line in failed:
                self.assertEqual(line.status, "MISMATCH", line)
                self.assertIn(f"rank 1 sends {sent} bytes to rank 2, which expects {expected};", line.text)

    def test_different_calls(self):
        lines = self.play("operation", "victim=2")
        self.expect(lines, "call", "MISMATCH", "rank 2 has operation alltoallv", r"rank [013] has operation alltoall\b")
        self.expect(lines, "later", "MISMATCH", "rank 2 has operation alltoallv")

    def test_rank_that_comes_to_no_exchange(self):
        for size in (64, 3000000):
            lines = self.play("absent", "victim=1", "timeout=2", f"bytes={size}")
            self.expect(lines, "alltoall", "TIMEOUT", "for rank 1[;,]|rank 1 has not started operation 1", ranks=(0, 2))
            self.expect(lines, "later", "TIMEOUT", ranks=(0, 2))

    def test_wrong_arguments_harm_nobody(self):
        lines = self.play("arguments", "victim=1")
        self.expect(lines, "null", "INVALID_ARGUMENT", "sendbuf is NULL", ranks=[1])
        self.expect(lines, "null-counts", "INVALID_ARGUMENT", "sendcounts is NULL", ranks=[1])
        self.expect(lines, "overflow", "LIMIT", r"count \d+ \* element_size 4", ranks=[1])
        self.expect(lines, "overflow-of-ranks", "LIMIT", rf"bytes per pair \d+ \* size {self.ranks}", ranks=[1])
        self.expect(lines, "overflow-v", "LIMIT", r"sendcounts \d+ \* element_size 4", ranks=[1])
        self.expect(lines, "exchange", "OK")

    def test_transport_that_does_not_exist(self):
        for names in ("nosuch", "shm,nosuch"):
            self.expect_creation(self.play("create", f"transports={names}"), "NOT_FOUND", 'no transport "nosuch"')

    def expect_creation(self, lines, status, *patterns):
        self.expect(lines, "create", status, *patterns)

    def expect_file(self, kind, content, status, *patterns):
        with tempfile.NamedTemporaryFile(prefix="banyan-fault-") as file:
            file.write(content)
            file.flush()
            self.expect_creation(self.play("create", f"{kind}={file.name}"), status, re.escape(file.name), *patterns)

    def test_files_that_are_truncated(self):
        for kind, name in (("topology", "topologies/uneven-3host-2rack.json"), ("profile", "profiles/two_hosts.json")):
            with open(os.path.join(ROOT, "tests", "data", name), "rb") as file:
                content = file.read()
            self.expect_file(kind, content[: len(content) * 2 // 3], "FORMAT", r":\d+:\d+: ")

    def test_files_that_are_hostile(self):
        for kind in ("topology", "profile"):
            self.expect_file(kind, b"[" * 100000, "FORMAT", ":1:65: nested deeper than 64 levels")
            self.expect_file(kind, b'{"format": "x", "format": "y"}', "FORMAT", '"format" appears twice')
            self.expect_file(kind, b'{"format": "x"}', "FORMAT", "format")
            self.expect_file(kind, bytes(range(256)) * 10, "FORMAT")
            self.expect_file(kind, b"", "FORMAT")

    def test_files_of_100_megabytes(self):
        for kind in ("topology", "profile"):
            self.expect_file(kind, b"[" * 100000000, "LIMIT", "longer than the limit of 67108864 bytes")

    def test_files_that_are_none(self):
        for kind in ("topology", "profile"):
            self.expect_creation(self.play("create", f"{kind}=/nonexistent"), "NOT_FOUND", "/nonexistent: No such file")
            self.expect_creation(self.play("create", f"{kind}=/dev/zero"), "IO", "/dev/zero is not a regular file")


class Creation:
    """Ranks that meet over sockets."""

    meeting = ()

    def test_wrong_size_of_the_world(self):
        for victim in (0, 1):
            lines = self.play("world-size", f"victim={victim}", "create_timeout=10", *self.meeting)
            larger = self.ranks + 1
            self.expect(lines, "create", "MISMATCH", rf"rank \d at .* says the job has {larger if victim else self.ranks} ranks, "
                                                     rf"rank 0 says {self.ranks if victim else larger}")

    def test_rank_that_never_comes(self):
        others = [rank for rank in range(self.ranks) if rank != 1]
        lines = self.play("absent-create", "victim=1", "create_timeout=2", *self.meeting)
        self.expect(lines, "create", "TIMEOUT", f"rank 1 of {self.ranks} never came within 2 s", ranks=others)
        lines = self.play("absent-create", "victim=0", "create_timeout=2", *self.meeting)
        self.expect(lines, "create", "TIMEOUT", "did not reach rank 0 for the bootstrap within 2 s", ranks=range(1, self.ranks))


class Killed:
    """Ranks that are processes."""

    def expect_survivors(self, lines, victim, statuses):
        died = [line.seconds for line in lines if line.what == "dies"]
        self.assertEqual(len(died), 1, lines)
        for rank in range(self.ranks):
            if rank == victim:
                continue
            found = [line for line in lines if line.rank == rank and line.what != "later"]
            self.assertEqual(len(found), 1, f"rank {rank}: {lines}")
            self.assertIn(found[0].status, statuses, found[0])
            self.assertRegex(found[0].text, rf"\brank {victim}\b")
            self.assertLess(found[0].seconds - died[0], KILL_LIMIT_S, found[0])
        return max(line.seconds for line in lines if line.what != "later") - died[0]

    def test_rank_killed_in_an_exchange(self):
        slowest = 0
        for victim in (0, 1, self.ranks - 1):
            for operation in ("alltoall", "alltoallv", "weighted"):
                for size in (64, 40000, 4000000):
                    for steps in (0, 1, 5):
                        if operation == "weighted" and (victim != 1 or steps == 1):
                            continue
                        lines = self.play("kill", f"victim={victim}", f"op={operation}", f"bytes={size}", f"steps={steps}", "timeout=100")
                        slowest = max(slowest, self.expect_survivors(lines, victim, ["PEER_FAILED"]))
                        later = [line.status for line in lines if line.what == "later"]
                        self.assertEqual(later, ["PEER_FAILED"] * (self.ranks - 1), lines)
        print(f"{type(self).__name__}: every survivor knew {slowest * 1e3:.0f} ms after the kill", file=sys.stderr)

    def test_rank_that_is_stopped(self):
        """Some wait for it, the others for those: it is named to all."""
        for victim in (1, self.ranks - 1):
            lines = self.play("kill", f"victim={victim}", "bytes=40000", "frozen=9", "timeout=5")
            survivors = [rank for rank in range(self.ranks) if rank != victim]
            self.expect(lines, "alltoall", "TIMEOUT", rf"\brank {victim} does not answer", ranks=survivors)

    def test_rank_killed_beside_other_calls(self):
        for victim in (0, 1):
            for operation in ("barrier", "allgather", "split"):
                for rounds in (0, 1, 5):
                    lines = self.play("kill", f"victim={victim}", f"op={operation}", f"rounds={rounds}", "timeout=100")
                    self.expect_survivors(lines, victim, ["PEER_FAILED"])

    def test_rank_killed_in_the_creation(self):
        """Before it met the others nobody can know of it: they end at the deadline of the creation."""
        clean = self.play("create")
        whole = max(float(line.text.split()[0]) for line in clean)
        for victim in (0, 1):
            for tenth in range(0, 11, 2):
                lines = self.play("kill-create", f"victim={victim}", f"after={whole * tenth / 10:.6f}", "create_timeout=4.5", "timeout=100")
                self.expect_survivors(lines, victim, ["PEER_FAILED", "TIMEOUT"])


class Threads(Cases, Creation, unittest.TestCase):
    meeting = ("by=id",)

    def command(self, case, options):
        return [PROBE, case, f"threads={self.ranks}", *options]

    def expect_creation(self, lines, status, *patterns):
        """One call makes all the communicators, so one text says what went wrong."""
        self.expect(lines, "create", status, *patterns, ranks=[0])


class ThreadsOverSockets(Cases, unittest.TestCase):
    """As processes are, but for their memory."""
    extra = ("by=id",)

    def command(self, case, options):
        return [PROBE, case, f"threads={self.ranks}", *options]


class Processes(Cases, Creation, Killed, unittest.TestCase):
    def command(self, case, options):
        return [RUN, "-n", str(self.ranks), "--keep-going", "--", PROBE, case, *options]

    def test_transport_that_one_rank_does_not_want(self):
        self.expect(self.play("create", "transports=ucx", "only=1"), "create", "MISMATCH",
                    'list of transports is "shm,ucx" on rank 0 and "ucx" on rank 1')


class TwoHosts(Cases, Killed, unittest.TestCase):
    """Processes of one machine with two host identities."""
    ranks = 4
    extra = ("hosts=2",)

    def command(self, case, options):
        return [RUN, "-n", str(self.ranks), "--keep-going", "--", PROBE, case, *options]


class Lab(Cases, Creation, Killed, unittest.TestCase):
    """Two ranks on each of two nodes."""
    ranks = 4

    @classmethod
    def setUpClass(cls):
        up = subprocess.run([BANYAN_LAB, "--name", LAB, "up", "--nodes", "2", "--ranks", "2", "--rate", "1gbit"],
                            capture_output=True, text=True, check=False)
        if up.returncode != 0:
            missing = re.search(r"missing or broken|lacks", up.stderr)
            raise unittest.SkipTest("the lab cannot be here: " + up.stderr) if missing else RuntimeError(up.stderr)

    @classmethod
    def tearDownClass(cls):
        subprocess.run([BANYAN_LAB, "--name", LAB, "down"], check=True)

    def command(self, case, options):
        return [RUN, "--lab", LAB, "--keep-going", "--", PROBE, case, *options]


KINDS = {"threads": [Threads, ThreadsOverSockets], "processes": [Processes], "two-hosts": [TwoHosts], "lab": [Lab]}


def main():
    global RUN, PROBE, LAB
    if len(sys.argv) < 4 or sys.argv[1] not in KINDS:
        print(f"usage: faults_test.py {'|'.join(KINDS)} BANYAN_RUN FAULT_PROBE [UNITTEST ARGUMENTS]", file=sys.stderr)
        return 2
    kind = sys.argv[1]
    RUN, PROBE = (os.path.abspath(path) for path in sys.argv[2:4])
    LAB = f"ft{os.getpid()}"
    if kind == "lab" and os.geteuid() != 0:
        print("SKIP: the lab needs root")
        return 77
    for name, value in list(globals().items()):
        if isinstance(value, type) and issubclass(value, unittest.TestCase) and value not in KINDS[kind]:
            del globals()[name]
    begin = time.monotonic()
    program = unittest.main(argv=[sys.argv[0], *sys.argv[4:]], exit=False)
    print(f"{time.monotonic() - begin:.1f} s", file=sys.stderr)
    return 0 if program.result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
