#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Installs the build into a temporary prefix and uses it as a user would.

usage: install_test.py BUILD LIBDIR CMAKE CC CXX
"""
import os
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

BUILD, LIBDIR, CMAKE, CC, CXX = sys.argv[1:6] if len(sys.argv) == 6 else [""] * 5
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "c_api"))
from check_coverage import declared_functions  # noqa: E402  pylint: disable=wrong-import-position

STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def run(*command, **environment):
    """Runs a command; a failure raises with all it printed."""
    result = subprocess.run(command, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if result.returncode != 0:
        raise AssertionError(f"{shlex.join(command)} exited {result.returncode}:\n{result.stdout}")
    return result.stdout


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="banyan_install_")
        cls.prefix = os.path.join(cls.folder.name, "prefix")
        run(CMAKE, "--install", BUILD, "--prefix", cls.prefix)
        cls.libdir = os.path.join(cls.prefix, LIBDIR)
        cls.include = os.path.join(cls.prefix, "include")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def compile_header(self, compiler, standard, header, suffix):
        source = self.path("header" + suffix)
        with open(source, "w", encoding="utf-8") as file:
            file.write(f'#include "banyan/{header}"\n#include "banyan/{header}"\nextern int unused;\n')
        run(compiler, f"-std={standard}", *STRICT, "-I", self.include, "-fsyntax-only", source)

    def test_each_header_compiles_alone(self):
        headers = sorted(os.listdir(os.path.join(self.include, "banyan")))
        self.assertIn("banyan.h", headers)
        self.assertIn("banyan.hpp", headers)
        for header in headers:
            with self.subTest(header):
                if header.endswith(".h"):
                    self.compile_header(CC, "c99", header, ".c")
                self.compile_header(CXX, "c++20", header, ".cpp")

    def test_exported_symbols_are_the_declared_functions(self):
        library = os.path.join(self.libdir, "libbanyan.so")
        exported = set()
        for line in run("nm", "-D", "--defined-only", library).splitlines():
            match = re.match(r"[0-9a-f]+ (\w) (\S+)$", line)
            if match and match.group(1) != "A":  # A: the version node itself
                exported.add(re.sub(r"@.*", "", match.group(2)))
        self.assertEqual(exported, declared_functions(os.path.join(self.include, "banyan")))

    def test_library_is_hardened(self):
        library = os.path.join(self.libdir, "libbanyan.so")
        dynamic = run("readelf", "-Wd", library)
        self.assertIn("BIND_NOW", dynamic)
        self.assertNotRegex(dynamic, r"TEXTREL")
        segments = run("readelf", "-Wl", library)
        self.assertIn("GNU_RELRO", segments)
        self.assertRegex(segments, r"GNU_STACK.* RW ")

    def test_find_package_builds_and_runs(self):
        build = self.path("consumer")
        run(CMAKE, "-G", "Ninja", "-S", os.path.join(HERE, "consumer"), "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}",
            f"-DCMAKE_C_COMPILER={CC}", f"-DCMAKE_CXX_COMPILER={CXX}")
        run(CMAKE, "--build", build)
        self.assertEqual(run(os.path.join(build, "consumer_c")), "version 0 received 42\n")
        self.assertRegex(run(os.path.join(build, "consumer_cpp")), r"^version \d+\.\d+\.\d+ right\n$")

    def test_other_minor_version_is_refused(self):
        source = self.path("wrong_version")
        os.makedirs(source)
        with open(os.path.join(source, "CMakeLists.txt"), "w", encoding="utf-8") as file:
            file.write("cmake_minimum_required(VERSION 3.22)\nproject(wrong LANGUAGES C)\n"
                       "find_package(banyan 0.99 REQUIRED)\n")
        with self.assertRaisesRegex(AssertionError, r"compatible\s+with\s+requested\s+version"):
            run(CMAKE, "-G", "Ninja", "-S", source, "-B", self.path("wrong_build"), f"-DCMAKE_PREFIX_PATH={self.prefix}")

    def test_pkg_config_builds_and_runs(self):
        package = {"PKG_CONFIG_PATH": os.path.join(self.libdir, "pkgconfig")}
        cflags = shlex.split(run("pkg-config", "--define-prefix", "--cflags", "banyan", **package))
        libs = shlex.split(run("pkg-config", "--define-prefix", "--libs", "banyan", **package))
        for compiler, standard, name in ((CC, "c99", "consumer.c"), (CXX, "c++20", "consumer.cpp")):
            with self.subTest(name):
                program = self.path("pkg_" + name.replace(".", "_"))
                run(compiler, f"-std={standard}", *STRICT, *cflags, os.path.join(HERE, "consumer", name), "-o", program,
                    "-pthread", *libs)
                run(program, LD_LIBRARY_PATH=self.libdir)

    def test_installed_tools_find_their_library(self):
        folder = os.path.join(self.prefix, "bin")
        tools = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        for tool in tools:
            with open(os.path.join(folder, tool), "rb") as file:
                if file.read(4) != b"\x7fELF":
                    continue
            with self.subTest(tool):
                self.assertNotIn("not found", run("ldd", os.path.join(folder, tool)))
        self.assertIn("banyan-info", tools)
        self.assertIn("shm", run(os.path.join(folder, "banyan-info"), "--json"))


if __name__ == "__main__":
    if not BUILD:
        sys.exit(__doc__)
    unittest.main(argv=sys.argv[:1])
