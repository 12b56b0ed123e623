#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs programs that use NCCL with and without the LD_PRELOAD library; NCCL is one of the tests.

usage: matrix.py BINARIES LIBRARY TEST [BANYAN_RUN]

Whatever the library does, the program must print the same, and NCCL must see the same calls in the same order.
"""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

from expected import CASES, counted

BINARIES, LIBRARY, TEST = sys.argv[1:4]
SAID_WHEN_ON = "banyan preload: NCCL makes all exchanges"


class Run:
    """One run of a program: what it printed, what NCCL saw, what was reported."""

    def __init__(self, command, nccl="new", preload=LIBRARY, report=True, **variables):
        with tempfile.TemporaryDirectory() as folder:
            log = os.path.join(folder, "log")
            environment = {name: value for name, value in os.environ.items()
                           if not name.startswith(("BANYAN_", "LD_", "OMPI_", "PMI", "SLURM_")) and name != "RANK"}
            environment.update(STUB_NCCL_LOG=log, LD_LIBRARY_PATH=os.path.join(BINARIES, nccl))
            if report:
                environment.update(BANYAN_PRELOAD="observe", BANYAN_PRELOAD_REPORT=os.path.join(folder, "report"))
            environment.update({name: value.replace("FOLDER", folder) for name, value in variables.items()})
            if preload:
                environment["LD_PRELOAD"] = preload
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)
            self.status, self.output, self.said = done.returncode, done.stdout, done.stderr
            self.calls = []
            if os.path.exists(log):
                with open(log, encoding="utf-8") as file:
                    # The threads of one case run at once: their order is only that of each.
                    self.calls = sorted(file.read().splitlines(), key=lambda line: line.split(":")[0])
            self.reports = {}
            for path in glob.glob(os.path.join(folder, "*.json")):
                with open(path, encoding="utf-8") as file:
                    self.reports[os.path.basename(path)] = json.load(file)

    def communicators(self):
        assert list(self.reports) and all(report["format"] == "banyan-preload-nccl-report" and report["version"] == 1
                                          for report in self.reports.values()), self.reports
        return [one for report in self.reports.values() for one in report["communicators"]]


def program(kind, *cases):
    return [os.path.join(BINARIES, f"preload_nccl_program_{kind}"), *cases]


def library(kind):
    return os.path.join(BINARIES, f"libpreload_nccl_library_{kind}.so")


def loader(flag, *libraries_and_cases):
    return [os.path.join(BINARIES, "preload_nccl_loader"), flag, *libraries_and_cases]


def ctypes_program(path, *cases):
    text = "import ctypes, sys\nlibrary = ctypes.CDLL(sys.argv[1])\nfor case in sys.argv[2:]:\n" \
           "    assert library.run_case(case.encode()) == 0\n"
    return [sys.executable, "-c", text, path, *cases]


def check_same(with_library, without, what):
    assert without.status == 0, (what, without.status, without.said)
    assert with_library.status == 0, (what, with_library.status, with_library.said)
    assert without.calls, (what, "NCCL saw no calls")
    assert with_library.output == without.output, (what, with_library.output, without.output)
    assert with_library.calls == without.calls, (what, with_library.calls, without.calls)


def check_counted(run, case, times=1):
    communicators = [counted(one) for one in run.communicators()]
    assert communicators == CASES[case] * times, (case, json.dumps(communicators), json.dumps(CASES[case]))


def compare(command, case=None, times=1, **settings):
    """Runs with and without; checks what was counted of `case`, or that nothing was seen."""
    with_library = Run(command, **settings)
    check_same(with_library, Run(command, preload=None, **settings), command)
    assert "banyan" not in with_library.output, with_library.output
    if case is None:
        assert not with_library.reports, with_library.reports
    else:
        check_counted(with_library, case, times)
        assert with_library.said == "", with_library.said
    return with_library


def test_cases():
    for case in CASES:
        compare(program("new", case), case)


def test_loaded_locally():
    for case in CASES:
        compare(loader("local", library("new"), case), case)


def test_loaded_by_ctypes():
    for case in ("alltoall", "equal_groups", "non_blocking", "threads", "life_cycle"):
        compare(ctypes_program(library("new"), case), case)


def test_loaded_deeply():
    """The library's own dependencies come first: nothing is caught, and nothing breaks."""
    compare(loader("deep", library("new"), "alltoall"))


def test_static_in_program():
    compare(program("static", "alltoall"))


def test_static_in_library():
    """Its calls of its own functions can be caught, and stay its own."""
    for case in CASES:
        run = compare(loader("local", library("static"), case), case)
        assert all(call.startswith("static ") for call in run.calls), run.calls


def test_two_copies():
    """Each keeps the calls, and the communicators, of those that are linked with it."""
    command = loader("local", library("new"), "equal_groups", library("static"), "equal_groups", library("new"),
                     "life_cycle", library("static"), "life_cycle")
    run = compare_copies(command, ["equal_groups", "equal_groups", "life_cycle", "life_cycle"])
    assert {call.split()[0] for call in run.calls} == {"new", "static"}, run.calls


def compare_copies(command, cases):
    run = Run(command)
    check_same(run, Run(command, preload=None), command)
    seen = [counted(one) for one in run.communicators()]
    expected = [one for case in cases for one in CASES[case]]
    assert seen == expected, (json.dumps(seen), json.dumps(expected))
    return run


def test_linked_and_static():
    """A program that is linked with one NCCL loads a library with another in it: by the loader's rules its calls go to the
    program's, and so they do with the library."""
    command = loader("local", library("static"), "equal_groups")
    new = os.path.join(BINARIES, "new", "libnccl.so.2")
    run = Run(command, preload=f"{LIBRARY}:{new}")
    check_same(run, Run(command, preload=new), command)
    assert all(call.startswith("new ") for call in run.calls), run.calls
    check_counted(run, "equal_groups")


def test_called_from_elsewhere():
    """A call as a module's last act seems to come from the module's caller, which knows no NCCL."""
    code = "import ctypes\nprogram = ctypes.CDLL(None)\n"
    call = "print(program.ncclGroupStart(), program.ncclGroupEnd())\n"
    for kind in ("new", "static"):
        run = Run([sys.executable, "-c", code + f"ctypes.CDLL({library(kind)!r})\n" + call])
        assert run.output == "0 0\n" and run.said == "", (run.output, run.said)
        assert run.calls == [f"{kind} thread 0: ncclGroupStart", f"{kind} thread 0: ncclGroupEnd"], run.calls
    # Two NCCLs: a communicator's own, whichever was used last.
    both = "libraries = [ctypes.CDLL(path) for path in sys.argv[1:]]\n" \
           "for library in libraries:\n    library.make_communicator.restype = ctypes.c_void_p\n" \
           "made = [library.make_communicator() for library in libraries]\n" \
           "print(*[program.ncclCommDestroy(ctypes.c_void_p(one)) for one in made])\n"
    for mode in ("observe", "on", "off"):
        run = Run([sys.executable, "-c", "import sys\n" + code + both, library("new"), library("static")],
                  BANYAN_PRELOAD=mode)
        assert run.output.endswith("0 0\n"), (run.output, run.said)
        assert [call for call in run.calls if "Destroy" in call] == [
            "new thread 0: ncclCommDestroy new0[0]", "static thread 0: ncclCommDestroy static0[0]"], run.calls
    nothing = Run([sys.executable, "-c", code + call + call])
    assert nothing.output == "5 5\n5 5\n" and nothing.said.count("\n") == 2, (nothing.output, nothing.said)
    assert "ncclGroupEnd was called, but no NCCL is loaded in this process" in nothing.said, nothing.said


def test_versions():
    """An NCCL before ncclAlltoAll, one that is not known, and a function that is not there."""
    for case in ("equal_groups", "nested_groups", "pipelines", "non_blocking"):
        compare(program("new", case), case, nccl="old")
    lacking = Run(program("new", "missing_function"), nccl="old")
    assert lacking.status == 0 and lacking.output.count("alltoall: 5\n") == 2, (lacking.output, lacking.said)
    lines = lacking.said.splitlines()
    assert len(lines) == 1 and "ncclAlltoAll was called, which the program's NCCL 22005 does not have" in lines[0], lines
    assert not any("ncclAlltoAll" in call for call in lacking.calls), lacking.calls
    future = Run(program("new", "equal_groups"), nccl="future")
    check_same(future, Run(program("new", "equal_groups"), nccl="future", preload=None), "future")
    assert not future.reports, future.reports
    assert future.said.count("\n") == 1 and "is version 30000; known is NCCL 2" in future.said, future.said


def test_modes():
    command = program("new", *CASES)
    without = Run(command, preload=None, report=False)
    off = Run(command, report=False, BANYAN_PRELOAD="off", BANYAN_PRELOAD_REPORT="FOLDER/report",
              BANYAN_PRELOAD_SUMMARY="1")
    check_same(off, without, "off")
    assert off.said == "" and not off.reports, off.said
    on = Run(command, report=False, BANYAN_PRELOAD_REPORT="FOLDER/report")
    check_same(on, without, "on")
    assert on.said.startswith(SAID_WHEN_ON) and on.said.count("\n") == 1 and not on.reports, on.said
    other_rank = Run(command, report=False, RANK="3")
    check_same(other_rank, without, "on, rank 3")
    assert other_rank.said == "", other_rank.said
    wrong = Run(command, report=False, BANYAN_PRELOAD="onn")
    check_same(wrong, without, "onn")
    assert wrong.said == 'banyan preload: off: BANYAN_PRELOAD is "onn"; known are off, observe and on\n', wrong.said
    summary = Run(program("new", "equal_groups", "pipelines", "empty_pairs_left_out", "alltoall_alone"), report=False,
                  BANYAN_PRELOAD_SUMMARY="1", RANK="0")
    assert summary.said.endswith("banyan preload: NCCL's all-to-alls of rank 0: 0 by Banyan, 7 by NCCL, 1 groups that "
                                 "may be some by NCCL; 7 other sends and receives\n"), summary.said


def test_reports():
    named = Run(program("new", "equal_groups"), RANK="7", BANYAN_PRELOAD_REPORT="FOLDER/traffic.json")
    assert list(named.reports) == ["traffic.rank7.json"] and named.said == "", (named.reports, named.said)
    by_communicator = Run(program("new", "uneven_groups"))
    assert list(by_communicator.reports) == ["report.rank2.json"], by_communicator.reports
    idle = Run(["true"], RANK="1")
    assert not idle.reports and idle.said == "", idle.said
    text = Run(program("new", "alltoall_alone"), report=False, BANYAN_PRELOAD="observe", RANK="0")
    assert re.search(r"NCCL communicator [0-9a-f]{16}, rank 1 of 4, destroyed", text.said), text.said
    assert "ncclAlltoAll: 2 calls, 0 to 64 bytes per pair, 64 in all" in text.said, text.said
    assert all(line.startswith("banyan preload: ") for line in text.said.splitlines()), text.said
    other = Run(program("new", "alltoall_alone"), report=False, BANYAN_PRELOAD="observe", RANK="1")
    assert other.said == "", other.said
    nowhere = Run(program("new", "equal_groups"), BANYAN_PRELOAD_REPORT="/nonexistent/report")
    check_same(nowhere, Run(program("new", "equal_groups"), preload=None), "nowhere")
    assert "cannot write the report /nonexistent/report.rank1.json: No such file" in nowhere.said, nowhere.said
    # A process that ends without its exit handlers has reported when its last communicator went; a child that was
    # forked from it says nothing of its own.
    code = f"import ctypes, os\nlibrary = ctypes.CDLL({library('new')!r})\nlibrary.run_case(b'equal_groups')\n"
    abrupt = Run([sys.executable, "-c", code + "os._exit(0)"])
    check_counted(abrupt, "equal_groups")
    forked = Run([sys.executable, "-c", code + "import sys\npid = os.fork()\nif pid == 0:\n    os.environ['RANK'] = '9'\n"
                  "    sys.exit(0)\nos.waitpid(pid, 0)\n"])
    assert list(forked.reports) == ["report.rank1.json"], forked.reports


def test_time():
    """Only printed: machines differ, and others use them too."""
    for name, settings in (("without the library", {"preload": None}), ("off", {"BANYAN_PRELOAD": "off"}),
                           ("on", {"BANYAN_PRELOAD": "on"}), ("observe", {})):
        run = Run(program("new", "time"), **{"STUB_NCCL_LOG": "", **settings})
        assert run.status == 0, run.said
        print(f"{name}: {run.said.splitlines()[-1]}")


def test_banyan_run():
    banyan_run = sys.argv[4]
    command = [banyan_run, "-n", "2", "--preload", "nccl", "-x", "BANYAN_PRELOAD=observe", "--",
               *program("new", "equal_groups")]
    run = Run(command, preload=None)
    assert run.status == 0, run.said
    assert sorted(run.reports) == ["report.rank0.json", "report.rank1.json"], (run.reports, run.said)
    for report in run.reports.values():
        assert [counted(one) for one in report["communicators"]] == CASES["equal_groups"], report


def test_traffic():
    """The reports of four ranks become a matrix that banyan-plan reads."""
    banyan_run, banyan_traffic, banyan_plan = sys.argv[4:7]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "report.json")
        matrix = os.path.join(folder, "traffic.txt")
        command = [banyan_run, "-n", "4", "--preload", "nccl", "--", *program("new", "job")]
        run = Run(command, preload=None, BANYAN_PRELOAD_REPORT=path)
        assert run.status == 0, run.said

        def traffic(*arguments):
            return subprocess.run([sys.executable, "-B", banyan_traffic, path, *arguments], capture_output=True, text=True,
                                  check=False)

        def rows():
            with open(matrix, encoding="utf-8") as file:
                return [[int(size) for size in line.split()] for line in file if not line.startswith("#")]

        table = traffic()
        assert table.returncode == 0, table.stderr
        # 4 * (100 * 6 + 10 * 6 + 4 * 1.5) bytes less the 121.5 of the pair that is left out.
        assert re.search(r"^[0-9a-f]{16} +4 +4 +2 +48 +2 +2543 +0$", table.stdout, re.M), table.stdout
        assert traffic("-o", matrix).stderr == ""
        expected = [[0 if (i, j) == (1, 2) else 100 * i + 10 * j + 2 for j in range(4)] for i in range(4)]
        assert rows() == expected, rows()
        plan = subprocess.run([banyan_plan, "-s", "2:2 nic=10gbit", "-m", matrix], capture_output=True, text=True,
                              check=False)
        assert plan.returncode == 0 and "all-to-all-v over 4 ranks on 2 hosts" in plan.stdout, (plan.stdout, plan.stderr)
        assert traffic("-f", "alltoall", "-o", matrix).returncode == 0 and rows() == [[48] * 4] * 4, rows()
        # Without a rank's report, its row is what the others received.
        os.remove(os.path.join(folder, "report.rank3.json"))
        some = traffic("-o", matrix)
        assert "1 pairs are of ranks that both did not report" in some.stderr, some.stderr
        expected[3][3] = 0
        assert rows() == expected, rows()
        os.link(os.path.join(folder, "report.rank0.json"), os.path.join(folder, "report.rank9.json"))
        twice = traffic()
        assert twice.returncode == 1 and "both are of rank 0" in twice.stderr, twice.stderr
        wrong = subprocess.run([sys.executable, "-B", banyan_traffic, __file__], capture_output=True, text=True,
                               check=False)
        assert wrong.returncode == 1 and "banyan-traffic: " in wrong.stderr, wrong.stderr


if __name__ == "__main__":
    globals()[f"test_{TEST}"]()
