# SPDX-License-Identifier: Apache-2.0
"""Runs banyan-plan as a user would. Usage: banyan_plan_test.py TOOL TEST_DATA."""
import json
import os
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

TOOL, DATA = sys.argv[1:3]
SMALL = ["--synthetic", "2:[2,1] nic=10gbit"]


def run(*arguments):
    return subprocess.run([TOOL, *arguments], capture_output=True, text=True, timeout=60, check=False)


class BanyanPlan(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def file(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def expect_output(self, *arguments):
        done = run(*arguments)
        self.assertEqual((done.returncode, done.stderr), (0, ""), arguments)
        return done.stdout

    def expect_failure(self, code, cause, *arguments):
        done = run(*arguments)
        self.assertEqual((done.returncode, done.stdout), (code, ""), (arguments, done.stderr))
        self.assertTrue(done.stderr.startswith("banyan-plan: "), done.stderr)
        self.assertIn(cause, done.stderr)

    def plan(self, *arguments):
        """The plan as JSON."""
        self.expect_output(*arguments, "--json", self.path("plan.json"))
        return json.loads(self.read("plan.json"))

    def test_help_has_examples(self):
        text = self.expect_output("--help")
        self.assertIn('banyan-plan -s "4:4', text)
        self.assertIn("moe:", text)

    def test_text_tells_the_choice_its_links_and_what_was_rejected(self):
        text = self.expect_output("-s", "4:4 nic=10gbit racks=2 uplink=10gbit", "-b", "64k")
        for part in ("chosen     direct\n", "leaf0 egress", "of the predicted time)", "rejected   hierarchical(rail)",
                     "by copies", "step 0", "node3 ingress"):
            self.assertIn(part, text)

    def test_a_tuning_file_decides_and_is_named(self):
        rule = '{"format": "banyan-tuning-1", "rules": [{"match": {"operation": "uniform"}, "algorithm": "%s"}]}'
        file = self.file("tuning.json", rule % "hierarchical(node)")
        said = f"chosen     hierarchical(node) (chosen by tuning file {file}, rule 1)\n"
        self.assertIn(said, self.expect_output(*SMALL, "-b", "64k", "--tuning", file))
        self.assertNotIn("chosen by", self.expect_output(*SMALL, "-g", "zipf:64k", "--tuning", file))
        self.assertIn("direct (asked for by name)", self.expect_output(*SMALL, "-b", "8", "--tuning", file, "-a", "direct"))
        plan = self.plan(*SMALL, "-b", "64k", "--tuning", file)
        self.assertEqual((plan["forced"], plan["forced_by"]), (True, f"tuning file {file}, rule 1"))
        os.environ["BANYAN_TUNING_FILE"] = file
        self.addCleanup(os.environ.pop, "BANYAN_TUNING_FILE")
        self.assertIn(said, self.expect_output(*SMALL, "-b", "64k"))
        bad = self.file("bad.json", rule % "magic")
        self.expect_failure(1, f"{bad}: /rules/0/algorithm: no algorithm is named", *SMALL, "-b", "8", "--tuning", bad)

    def test_json_has_links_and_steps_that_add_up(self):
        plan = self.plan("-s", "3:[4,2,1] nic=10gbit", "-b", "1k", "-a", "hierarchical(node)")
        self.assertEqual(plan["format"], "banyan-plan-1")
        self.assertEqual(plan["chosen"]["algorithm"], "hierarchical(node)")
        egress = sum(link["bytes"] for link in plan["links"] if link["link"].endswith("egress"))
        self.assertEqual(egress, plan["wire_bytes"])
        self.assertEqual(egress, 1024 * (4 * 3 + 2 * 5 + 1 * 6))
        self.assertEqual(sum(step["remote_bytes"] for step in plan["steps"]), egress)
        self.assertEqual(max(link["share"] for link in plan["links"]), 1)
        self.assertTrue(all("loses_by" in c for c in plan["candidates"]
                            if c["predicted_time_s"] > plan["chosen"]["predicted_time_s"]))

    def test_profile_speeds_are_used_and_named(self):
        arguments = ["-s", "2:2", "-b", "64k", "-p", os.path.join(DATA, "profiles", "two_hosts.json")]
        self.assertIn("speeds     profile of ", self.expect_output(*arguments))

    def test_racks_that_a_profile_inferred_are_planned_with(self):
        profile = os.path.join(DATA, "profiles", "inferred_racks.json")
        self.assertIn("at rack0 egress", self.expect_output("-s", "4:1", "-b", "64k", "-p", profile))

    def test_schedule_is_written(self):
        self.expect_output(*SMALL, "-b", "8", "--ir", self.path("plan.ir"))
        self.assertIn("direct" if "direct" in self.read("plan.ir") else "hierarchical", self.read("plan.ir"))

    def test_pictures_and_page_are_well_formed_and_self_contained(self):
        arguments = ["-s", "2:[3,2] nic=10gbit", "-g", "moe:4k", "-a", "hierarchical(rail)"]
        for option in ("--loads", "--gantt", "--html"):
            self.expect_output(*arguments, option, self.path("out"))
            text = self.read("out")
            root = xml.etree.ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>"))
            self.assertTrue(root.tag.endswith("html" if option == "--html" else "svg"), option)
            for outside in ("src=", "href=", "url(", "@import", "<script"):
                self.assertNotIn(outside, text, option)
        for part in ("hierarchical(rail)", "What was compared", "Load of each link", "Messages in time", "moe:4k"):
            self.assertIn(part, text)

    def test_trace_has_every_message_once_as_sent_and_once_as_received(self):
        self.expect_output("-s", "2:2 nic=10gbit", "-b", "4k", "-a", "direct", "--trace", self.path("trace.json"))
        events = json.loads(self.read("trace.json"))["traceEvents"]
        names = {event["pid"]: event["args"]["name"] for event in events if event["name"] == "process_name"}
        bars = [event for event in events if event["ph"] == "X"]
        self.assertEqual(sum(names[bar["pid"]].startswith("rank") for bar in bars), 2 * 4 * 3)
        crossing = [bar["args"] for bar in bars if names[bar["pid"]] == "node0 egress"]
        self.assertEqual(sorted((bar["from"], bar["to"]) for bar in crossing), [(0, 2), (0, 3), (1, 2), (1, 3)])
        self.assertTrue(all(bar["bytes"] == 4096 for bar in crossing))
        for bar in bars:  # no two overlap on a thread: viewers would drop one
            for other in bars:
                if bar is not other and (bar["pid"], bar["tid"]) == (other["pid"], other["tid"]):
                    self.assertTrue(bar["ts"] + bar["dur"] <= other["ts"] + 2e-4 or
                                    other["ts"] + other["dur"] <= bar["ts"] + 2e-4)

    def test_simulated_times_are_in_text_and_json(self):
        arguments = ["-s", "2:2 nic=10gbit", "-b", "64k"]
        self.assertIn("simulated  ", self.expect_output(*arguments))
        plan = self.plan(*arguments)
        self.assertGreaterEqual(plan["simulated_time_s"], plan["lower_bound_s"])
        self.assertLessEqual(plan["steps"][-1]["simulated_to_s"], plan["simulated_time_s"])
        text = self.expect_output(*arguments, "--max-messages", "3")
        self.assertIn("were not simulated; --max-messages 12 does it", text)
        self.assertNotIn("simulated  ", text)
        self.expect_failure(1, "--max-messages 12", *arguments, "--max-messages", "3", "--gantt", self.path("g.svg"))

    def test_all_pairs_large_then_messages_of_headers_alone_are_left_out_of_the_timing(self):
        text = self.expect_output("-s", "2:2 nic=10gbit", "-g", "uniform:4M", "-a", "hierarchical(rail)")
        self.assertIn("simulated  ", text)

    def test_nothing_to_exchange_then_pictures_all_the_same(self):
        for arguments in (["-s", "1:1", "-b", "8"], ["-s", "2:1 nic=1gbit", "-b", "0"]):
            for option in ("--loads", "--gantt", "--trace", "--html"):
                self.expect_output(*arguments, option, self.path("out"))

    def test_schedule_of_too_many_ranks_is_refused_where_it_is_needed(self):
        self.expect_failure(1, "--max-ranks 16", "-s", "4:4", "-b", "8", "--max-ranks", "8", "--ir", self.path("x"))

    def test_too_many_ranks_for_a_schedule_then_the_choice_alone(self):
        text = self.expect_output("-s", "512:8 nic=400gbit", "-b", "4k")
        self.assertIn("chosen", text)
        self.assertIn("no schedule of 4096 ranks was built", text)

    def test_matrix_and_generator_are_all_to_all_v(self):
        topology = ["--synthetic", "2:2 nic=10gbit"]
        matrix = os.path.join(DATA, "traffic", "skewed_4.txt")
        self.assertEqual(self.plan(*topology, "-m", matrix)["operation"], "alltoallv")
        self.assertEqual(self.plan(*topology, "-g", "hot:4k,factor=8")["operation"], "alltoallv")

    def test_bad_matrices(self):
        topology = ["--synthetic", "1:2"]
        cases = {"not square": ("1 2\n3 4 5\n", ":2:"), "too few rows": ("1 2\n", "ends after 1 rows"),
                 "negative": ("1 -2\n3 4\n", ":1:3"), "not a number": ("1 x\n3 4\n", ":1:3"),
                 "overflowing": ("0 18446744073709551615\n1 0\n", "2^64"), "beyond 64 bits": ("0 1E30\n1 0\n", ":1:3"),
                 "empty": ("# nothing\n", "ends after 0 rows"), "of other ranks": ("1 2 3\n4 5 6\n7 8 9\n", "3 ranks")}
        for name, (text, cause) in cases.items():
            with self.subTest(name):
                self.expect_failure(1, cause, *topology, "-m", self.file("matrix.txt", text))
        self.expect_failure(1, "/nonexistent", *topology, "-m", "/nonexistent")

    def test_all_zero_matrix_is_planned_with_a_note(self):
        matrix = self.file("matrix.txt", "0 0 0\n0 0 0\n0 0 0\n")
        self.assertIn("note       nothing is to be sent", self.expect_output(*SMALL, "-m", matrix))

    def test_one_enormous_entry_is_planned(self):
        matrix = self.file("matrix.txt", "1 1 9223372036854775807\n1 1 1\n1 1 1\n")
        for algorithm in ("auto", "direct", "hierarchical(rail)", "hierarchical(node)", "bruck(2)"):
            plan = self.plan(*SMALL, "-m", matrix, "-a", algorithm)
            self.assertGreaterEqual(max(link["bytes"] for link in plan["links"]), 9223372036854775807)

    def test_bytes_that_overflow_are_refused(self):
        self.expect_failure(1, "2^64", *SMALL, "-b", "9223372036854775807")
        self.expect_failure(1, "2^64", "-s", "8:1 nic=1gbit", "-b", "288230376151711743", "-a", "bruck(2)")

    def test_unknown_capacities_are_told(self):
        self.assertIn("NICs of node0 and node1: 10 Gbit/s each is assumed",
                      self.expect_output("-s", "2:2", "-b", "8"))
        self.assertIn("uplinks of leaf0 and leaf1", self.expect_output("-s", "2:2 nic=1gbit racks=2", "-b", "8"))

    def test_capacity_of_zero_in_a_file_is_unknown_and_negative_ones_are_refused(self):
        topology = subprocess.run([os.path.join(os.path.dirname(TOOL), "..", "banyan-topo", "banyan-topo"), "-s",
                                   "2:1 nic=1gbit", "-F", "json"], capture_output=True, text=True, check=True).stdout
        self.assertIn("125000000", topology)
        zero = self.file("zero.json", topology.replace("125000000.0", "0").replace("125000000", "0"))
        self.assertIn("10 Gbit/s each is assumed", self.expect_output("-t", zero, "-b", "8"))
        negative = self.file("negative.json", topology.replace("125000000", "-125000000"))
        self.expect_failure(1, "bandwidth_bytes_per_s", "-t", negative, "-b", "8")

    def test_profile_of_another_topology_is_told(self):
        profile = os.path.join(DATA, "profiles", "two_hosts.json")
        with open(profile, encoding="utf-8") as file:
            content = json.load(file)
        for host in content["hosts"]:
            host["key"] = host["name"] = "elsewhere-" + host["name"]
        other = self.file("other.json", json.dumps(content))
        text = self.expect_output("-s", "3:2 nic=10gbit", "-b", "64k", "-p", other)
        self.assertIn("note       the profile has no rates of node0, node1 and node2", text)

    def test_broken_files_are_refused(self):
        for option, text in (("-t", "{}"), ("-t", "nonsense"), ("-t", ""), ("-p", "{}"), ("-p", "[1,")):
            path = self.file("broken", text)
            topology = [] if option == "-t" else SMALL
            self.expect_failure(1, "broken", *topology, "-b", "8", option, path)
        slurm = os.path.join(DATA, "topologies", "slurm-2leaf-1spine.conf")
        self.expect_failure(1, "no ranks", "-t", slurm, "-b", "8")

    def test_unknown_names_are_answered_with_the_known_ones(self):
        self.expect_failure(1, "hierarchical(rail)", *SMALL, "-b", "8", "-a", "best")
        self.expect_failure(1, "zipf", *SMALL, "-g", "gaussian:8")

    def test_every_recorded_topology_with_ranks_is_planned(self):
        for name in sorted(os.listdir(os.path.join(DATA, "topologies"))):
            if name.startswith(("nccl-", "uneven-")):
                text = self.expect_output("-t", os.path.join(DATA, "topologies", name), "-b", "64k")
                self.assertIn("chosen", text, name)

    def test_outputs_that_cannot_be_written(self):
        self.expect_failure(1, "/nonexistent/x", *SMALL, "-b", "8", "-o", "/nonexistent/x")

    def test_wrong_options_exit_2(self):
        for arguments in (["--nonsense"], ["stray"], [], SMALL, ["-b", "8"], [*SMALL, "-b", "8", "-g", "uniform:8"],
                          [*SMALL, "-t", "x", "-b", "8"], [*SMALL, "-b", "-8"], [*SMALL, "-b", "many"],
                          [*SMALL, "-b", "8", "--window", "0"], [*SMALL, "-b", "8", "--links", "-1"]):
            self.expect_failure(2, "banyan-plan --help", *arguments)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
