#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""banyan_run_test.py BANYAN_RUN LAUNCH_PROBE: what banyan-run promises in its --help."""

import glob
import os
import signal
import subprocess
import sys
import tempfile
import unittest

RUN = ""
PROBE = ""


def run(*arguments, **options):
    return subprocess.run([RUN, *arguments], capture_output=True, text=True, timeout=100, check=False, **options)


def shell(script):
    return ["--", "sh", "-c", script]


class BanyanRun(unittest.TestCase):
    def test_ranks_find_each_other(self):
        result = run("-n", "4", "--", PROBE, "banyan-run", "4")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout.count(": good"), 4)

    def test_single_rank_runs(self):
        self.assertEqual(run("-n", "1", "--", PROBE, "banyan-run", "1").returncode, 0)

    def test_killed_rank_is_named_by_the_others(self):
        result = run("-n", "4", "--kill-rank", "2", "--after", "1", "--", PROBE, "banyan-run", "4", "wait", "2")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("killing rank 2 of 4", result.stderr)
        self.assertEqual(result.stdout.count(": good"), 3)

    def test_variables_are_those_of_the_rank(self):
        result = run("-n", "3", *shell("echo $BANYAN_RANK/$BANYAN_SIZE $BANYAN_LOCAL_RANK/$BANYAN_LOCAL_SIZE $BANYAN_NODE_RANK"))
        self.assertEqual(sorted(result.stdout.split("\n"))[1:], [f"{r}/3 {r}/3 0" for r in range(3)])

    def test_secret_is_private_fresh_and_gone_afterwards(self):
        with tempfile.TemporaryDirectory() as folder:
            environment = dict(os.environ, TMPDIR=folder, BANYAN_JOB_SECRET="leaked")
            script = "stat -c %a $BANYAN_JOB_SECRET_FILE; cat $BANYAN_JOB_SECRET_FILE; echo ${BANYAN_JOB_SECRET-unset}"
            first = run("-n", "1", *shell(script), env=environment).stdout.split()
            second = run("-n", "1", *shell(script), env=environment).stdout.split()
            self.assertEqual(first[0], "600")
            self.assertRegex(first[1], "^[0-9a-f]{64}$")
            self.assertNotEqual(first[1], second[1])
            self.assertEqual(first[2], "unset")
            self.assertEqual(glob.glob(folder + "/*"), [])

    def test_first_failure_ends_the_others_and_is_named(self):
        result = run("-n", "3", *shell('[ "$BANYAN_RANK" != 1 ] || exit 7; exec sleep 90'))
        self.assertEqual(result.returncode, 7)
        self.assertRegex(result.stderr, r"rank 1 of 3 \(pid \d+\) exited with code 7")

    def test_signal_of_a_rank_is_named_and_returned(self):
        result = run("-n", "2", *shell('[ "$BANYAN_RANK" != 1 ] || kill -SEGV $$; exec sleep 90'))
        self.assertEqual(result.returncode, 128 + signal.SIGSEGV)
        self.assertIn("was ended by signal 11", result.stderr)

    def test_ranks_that_ignore_term_are_killed(self):
        result = run("-n", "2", *shell('[ "$BANYAN_RANK" != 1 ] || exit 3; trap "" TERM; while :; do sleep 1; done'))
        self.assertEqual(result.returncode, 3)

    def test_keep_going_lets_the_others_finish(self):
        result = run("-n", "3", "--keep-going", *shell('[ "$BANYAN_RANK" != 0 ] || exit 5; echo finished'))
        self.assertEqual(result.returncode, 5)
        self.assertEqual(result.stdout.count("finished"), 2)

    def test_timeout_names_who_still_runs(self):
        result = run("-n", "2", "--timeout", "0.5", *shell('[ "$BANYAN_RANK" = 0 ] || exec sleep 90'))
        self.assertEqual(result.returncode, 124)
        self.assertIn("still running: 1", result.stderr)

    def test_tagged_output_has_whole_lines_of_each_rank(self):
        result = run("-n", "3", "--tag-output", *shell('printf "a\\nlast without newline"; echo error >&2'))
        lines = [f"[{r}] {text}" for r in range(3) for text in ("a", "last without newline")]
        self.assertEqual(sorted(result.stdout.split("\n")[:-1]), sorted(lines))
        self.assertEqual(sorted(result.stderr.split("\n")[:-1]), [f"[{r}] error" for r in range(3)])

    def test_exported_variable_reaches_the_ranks(self):
        self.assertEqual(run("-n", "1", "-x", "COLOUR=a b", *shell("echo $COLOUR")).stdout, "a b\n")

    def test_signals_are_passed_on(self):
        process = subprocess.Popen([RUN, "-n", "2", *shell('trap "echo caught; exit 0" TERM; echo up; '
                                                          'while :; do sleep 0.1; done')], stdout=subprocess.PIPE, text=True)
        self.assertEqual([process.stdout.readline(), process.stdout.readline()], ["up\n", "up\n"])
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.communicate(timeout=100)[0], "caught\ncaught\n")
        self.assertEqual(process.returncode, 0)

    def test_program_that_is_not_there(self):
        result = run("-n", "1", "--", "/nonexistent/program")
        self.assertEqual(result.returncode, 127)
        self.assertIn("cannot run /nonexistent/program: No such file", result.stderr)

    def test_wrong_command_lines(self):
        for arguments in (["-n", "0", "--", "true"], ["--", "true"], ["-n", "2"], ["-n", "x", "--", "true"],
                          ["-n", "2", "--kill-rank", "2", "--", "true"], ["--nonsense"], ["-n", "1", "-x", "NOT_SET_1", "--", "true"]):
            result = run(*arguments)
            self.assertEqual(result.returncode, 2, arguments)
            self.assertIn("banyan-run: ", result.stderr)

    def test_help_has_examples(self):
        result = run("--help")
        self.assertEqual(result.returncode, 0)
        self.assertIn("Examples:", result.stdout)


if __name__ == "__main__":
    RUN, PROBE = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1])
