#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants one violation of each rule and sees that check_layering.py and check_skips.py find it, and nothing else."""
import os
import subprocess
import sys
import tempfile
import unittest

import check_layering
import check_skips

SPDX = "// SPDX-License-Identifier: Apache-2.0\n"


def problems(path, text, spdx=SPDX):
    return [problem for _, problem in check_layering.check_file(path, spdx + text)]


class Includes(unittest.TestCase):
    def assert_one(self, path, text, part):
        found = problems(path, text)
        self.assertEqual(len(found), 1, found)
        self.assertIn(part, found[0])

    def test_upward_include_is_found(self):
        self.assert_one("src/schedule/a.cpp", '#include "planner/plan.hpp"\n', "schedule may include base")

    def test_sideways_include_is_found(self):
        self.assert_one("src/transport/a.cpp", '#include "topology/graph.hpp"\n', "topology/graph.hpp")

    def test_nothing_includes_c_api(self):
        self.assert_one("src/coll/a.cpp", '#include "c_api/handles.hpp"\n', "c_api/handles.hpp")

    def test_tool_that_reaches_into_src_is_found(self):
        self.assert_one("tools/banyan-topo/main.cpp", '#include "topology/graph.hpp"\n', "include/banyan only")
        self.assert_one("plugins/transport/ucx/ucx.cpp", '#include "base/error.hpp"\n', "include/banyan only")

    def test_banyan_plan_may_use_the_planner_only(self):
        self.assertEqual(problems("tools/banyan-plan/main.cpp", '#include "planner/plan.hpp"\n'), [])
        self.assert_one("tools/banyan-plan/main.cpp", '#include "comm/communicator.hpp"\n', "include/banyan only")

    def test_base_that_knows_communicators_is_found(self):
        self.assert_one("src/base/a.cpp", '#include "banyan/comm.h"\n', "base sees")

    def test_folder_without_a_level_is_found(self):
        self.assert_one("src/extra/a.cpp", '#include "base/error.hpp"\n', "not in the table")

    def test_outside_library_away_from_its_wrapper_is_found(self):
        for header in ("hwloc.h", "hwloc/plugins.h", "nvml.h", "ucp/api/ucp.h", "nccl.h", "mpi.h", "cuda_runtime.h"):
            self.assert_one("src/coll/a.cpp", f"#include <{header}>\n", header)

    def test_outside_library_in_its_wrapper_is_allowed(self):
        self.assertEqual(problems("src/topology/sources/hwloc_source.cpp", "#include <hwloc.h>\n"), [])
        self.assertEqual(problems("plugins/transport/ucx/ucx.cpp", "#include <ucp/api/ucp.h>\n"), [])

    def test_relative_path_is_found(self):
        self.assert_one("src/coll/a.cpp", '#include "../comm/communicator.hpp"\n', "paths start at")

    def test_own_header_that_is_not_first_is_found(self):
        self.assert_one("src/coll/a.cpp", '#include <string>\n#include "coll/a.hpp"\n', "first include")

    def test_include_in_a_comment_is_ignored(self):
        self.assertEqual(problems("src/base/a.cpp", '// #include "coll/a.hpp"\n/*\n#include <mpi.h>\n*/\n'), [])

    def test_table_has_no_cycle(self):
        def depth(layer, above):
            self.assertNotIn(layer, above)
            return 1 + max((depth(n, above | {layer}) for n in check_layering.LAYERS[layer] - {"c_api"}), default=0)

        for layer in check_layering.LAYERS:
            if layer != "c_api":
                depth(layer, frozenset())


class OtherRules(unittest.TestCase):
    def assert_found(self, path, text, part, spdx=SPDX):
        found = problems(path, text, spdx)
        self.assertTrue(any(part in problem for problem in found), found)

    def test_property_whose_result_is_dropped_is_found(self):
        self.assert_found("tests/unit/base/a.cpp", 'TEST(A, B) {\n  rc::check("c", [] {});\n}\n', "rc::check")
        self.assertEqual(problems("tests/unit/base/a.cpp", '  EXPECT_TRUE(rc::check("c", [] {}));\n'), [])

    def test_missing_licence_is_found(self):
        self.assert_found("tools/test.sh", "echo\n", "SPDX", spdx="")

    def test_long_file_is_found(self):
        self.assert_found("src/base/a.cpp", "int x;\n" * 600, "601 lines")

    def test_long_function_is_found(self):
        body = "  ++x;\n" * 60
        self.assert_found("src/base/a.cpp", "int f(int x) {\n" + body + "}\n", "function of 62 lines")
        self.assert_found("src/base/a.cpp", "class A {\n  int f(int x,\n        int y) const {\n" + body + "  }\n};\n",
                          "function of 63 lines")

    def test_function_at_the_limit_is_allowed(self):
        self.assertEqual(problems("src/base/a.cpp", "int f(int x) {\n" + "  ++x;\n" * 58 + "}\n"), [])

    def test_long_class_or_namespace_is_no_function(self):
        self.assertEqual(problems("src/base/a.cpp", "class A : public B<void()> {\n" + "  int x;\n" * 99 + "};\n"), [])
        self.assertEqual(problems("src/base/a.cpp", "namespace banyan {\n" + "int f();\n" * 99 + "}\n"), [])

    def test_using_namespace_is_found(self):
        self.assert_found("src/base/a.cpp", "using namespace std;\n", "using namespace")

    def test_collective_behind_a_short_circuit_is_found(self):
        path = "plugins/device/cuda/a.cu"
        for line in ("there = there && __shfl_sync(kAll, word, 7) == call;", "return x || __any_sync(kAll, y);",
                     "y = x ? __ballot_sync(kAll, z) : 0;", "if (x && __syncthreads_or(y)) {", "x && __syncwarp();"):
            self.assert_found(path, line + "\n", "not all threads call it")
        for line in ("if (__any_sync(kAll, looks && is_over())) {", "const int x = __shfl_sync(kAll, y, 0);",
                     "a = b && c;\n__syncwarp();"):
            self.assertEqual(problems(path, line + "\n"), [])

    def test_camel_case_file_name_is_found(self):
        self.assert_found("src/base/MyFile.cpp", "", "snake_case")

    def test_header_without_guard_is_found(self):
        self.assert_found("src/base/a.hpp", "", "#pragma once")
        self.assert_found("include/banyan/a.h", "", "BANYAN_A_H")

    def test_library_that_harms_its_host_program_is_found(self):
        for line, part in (("std::abort();", "ends"), ("::exit(1);", "ends"), ("std::cout << 1;", "stdout"),
                           ('printf("x");', "stdout"), ("sigaction(SIGTERM, &a, nullptr);", "signal")):
            self.assert_found("src/comm/a.cpp", f"void f() {{ {line} }}\n", part)

    def test_methods_named_like_that_are_allowed(self):
        self.assertEqual(problems("src/comm/a.cpp", "void f(C& c) { c.abort(1); }\nvoid C::abort(int x) {}\n"
                                                    'void g() { std::fprintf(stderr, "printf("); }\n'), [])


class Program(unittest.TestCase):
    def run_on(self, text):
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, "src/schedule"))
            with open(os.path.join(root, "src/schedule/a.cpp"), "w", encoding="utf-8") as file:
                file.write(SPDX + text)
            return subprocess.run([sys.executable, check_layering.__file__, root], capture_output=True, text=True,
                                  check=False)

    def test_violation_then_named_and_status_one(self):
        result = self.run_on('#include "comm/communicator.hpp"\n')
        self.assertEqual(result.returncode, 1)
        self.assertIn("src/schedule/a.cpp:2: ", result.stdout)

    def test_clean_tree_then_status_zero(self):
        self.assertEqual(self.run_on('#include "base/error.hpp"\n').returncode, 0)


class Skips(unittest.TestCase):
    def run_on(self, xml):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "results.xml"), "w", encoding="utf-8") as file:
                file.write(xml)
            with open(os.path.join(folder, "list.txt"), "w", encoding="utf-8") as file:
                file.write("# comment\nno GPU here\n")
            return subprocess.run([sys.executable, check_skips.__file__, os.path.join(folder, "list.txt"), folder],
                                  capture_output=True, text=True, check=False)

    def test_listed_reason_is_allowed(self):
        result = self.run_on('<t><testcase name="A" classname="B"><skipped message="no GPU here"/></testcase></t>')
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertIn("1 tests skipped", result.stdout)

    def test_unlisted_reason_is_found(self):
        result = self.run_on('<t><testcase name="A" classname="B"><skipped message="lazy"/></testcase></t>')
        self.assertEqual(result.returncode, 1)
        self.assertIn("B.A: lazy", result.stdout)

    def test_reason_of_a_script_is_read_from_its_output(self):
        result = self.run_on('<t><testcase name="A" classname="B"><skipped message="SKIP_RETURN_CODE=77"/>'
                             "<system-out>x\n1..0 # SKIP no root\n</system-out></testcase></t>")
        self.assertEqual(result.returncode, 1)
        self.assertIn("no root", result.stdout)

    def test_unreadable_results_are_found(self):
        self.assertEqual(self.run_on("<t>").returncode, 1)


if __name__ == "__main__":
    unittest.main()
