#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the rules of the house that a compiler does not: who includes whom, what stays in which folder, sizes, names.

usage: check_layering.py ROOT     prints one line per violation, exit status 1 if there is any
"""
import os
import re
import sys

# Who may include whom (docs/architecture.md); every folder may also include itself and base.
LAYERS = {
    "base": set(),
    "bootstrap": set(),
    "topology": set(),
    "schedule": set(),
    "transport": set(),
    "device": set(),
    "cost": {"topology"},
    "executor": {"schedule", "transport", "device"},
    "planner": {"cost", "topology", "schedule"},
    "simulator": {"cost", "topology", "schedule", "executor"},
    "comm": {"bootstrap", "topology", "cost", "transport", "device"},
    "coll": {"comm", "planner", "schedule", "executor"},
    "profiler": {"coll", "comm", "cost", "topology"},
}
LAYERS["moe"] = {"coll", "comm", "planner", "cost", "device", "topology"}
LAYERS["c_api"] = set(LAYERS)

# Public headers that base may include; the other folders of src may include all but the umbrella.
BASE_PUBLIC = {"status.h", "types.h"}

# Programs that may link layers of the library, and which.
PLANNING = {"planner", "simulator", "executor", "cost", "schedule", "topology", "base"}  # what needs no communicator
PRIVILEGED_TOOLS = {"tools/planning": PLANNING, "tools/banyan-plan": PLANNING, "tools/banyan-sim": PLANNING,
                    "perf/common": {"planner"},
                    "perf/layer": {"device"},
                    "perf/micro": {"base", "transport", "coll", "cost", "executor", "moe", "topology"}}

# Outside libraries and the folders that wrap them.
WRAPPED = [
    (re.compile(r"^hwloc"), ("src/topology/",)),
    (re.compile(r"^nvml\.h"), ("src/topology/",)),
    (re.compile(r"^(ucp|uct|ucs)/"), ("plugins/transport/ucx/", "tests/plugins/ucx/")),
    (re.compile(r"^nccl"), ("plugins/transport/nccl/", "plugins/preload/nccl/", "perf/compare/", "perf/gpu/",
                           "tests/plugins/preload/nccl/")),
    (re.compile(r"^mpi\.h"), ("perf/compare/", "plugins/preload/mpi/", "docs/examples/", "tests/perf/", "tests/lab/",
                               "tests/plugins/preload/",
                               "tools/lab/selftest/")),
    (re.compile(r"^cuda"), ("plugins/device/cuda/", "plugins/transport/nccl/", "plugins/preload/nccl/", "perf/gpu/",
                           "tests/gpu/")),
    (re.compile(r"^sodium"), ("src/bootstrap/", "tests/unit/bootstrap/")),
    (re.compile(r"^simgrid/"), ("tests/oracle/",)),
    (re.compile(r"^nlohmann/"), ("src/base/", "plugins/preload/", "tools/", "perf/", "tests/")),
    (re.compile(r"^boost/"), ("tools/", "perf/")),
    (re.compile(r"^(gtest|gmock)/|^rapidcheck"), ("tests/", "perf/micro/")),
]

# What a library must not do to the program that it is part of.
FORBIDDEN_IN_LIBRARY = [
    (re.compile(r"\bstd::cout\b|(?<![\w:])(std::)?(printf|puts|putchar)\s*\("), "prints to stdout"),
    (re.compile(r"\bstd::(exit|abort|quick_exit|terminate|_Exit)\s*\(|(?<![\w.>])::?_?exit\s*\("), "ends the program"),
    (re.compile(r"\b(std::signal|sigaction|::signal)\s*\("), "installs a signal handler"),
]

# Places that break a rule for a reason.
EXCEPTIONS = {
    ("plugins/transport/ucx/library.cpp", "installs a signal handler"):
        "puts back the handlers that UCX's constructor replaced",
}

C_FAMILY = (".cpp", ".hpp", ".c", ".h", ".cu", ".cuh")
SCRIPTS = (".py", ".sh", ".cmake")
FOLDERS = ("cmake", "docs", "include", "perf", "plugins", "src", "tests", "tools")
MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 60
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')
NOT_A_FUNCTION = re.compile(
    r"^(\}?\s*(if|else|for|while|switch|do|try|catch)\b|namespace\b|extern\s+\"C\"|(enum|union)\b|"
    r"(template\s*<.*>\s*)?(class|struct)\b|typedef\b|#|return\b)|=\s*(\[|\{)")


def source_files(root):
    for folder in FOLDERS:
        for path, folders, names in os.walk(os.path.join(root, folder)):
            folders[:] = sorted(f for f in folders if f not in ("__pycache__", "data"))
            for name in sorted(names):
                if name.endswith(C_FAMILY + SCRIPTS) or name == "CMakeLists.txt":
                    yield os.path.relpath(os.path.join(path, name), root)


def strip_comments(text):
    """Blanks comments and the inside of strings, keeping lines and the names of includes."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.S)

    def blank(match):
        piece = match.group(0)
        line = text[text.rfind("\n", 0, match.start()) + 1:match.start()]
        if piece.startswith('"'):
            return piece if re.match(r"\s*#\s*include\s*$", line) else '""'
        return re.sub(r"[^\n]", " ", piece)

    return pattern.sub(blank, text)


def check_include(path, quote, name):
    """The rule that an include breaks, or None."""
    if name.startswith(("./", "../")):
        return f'includes "{name}"; paths start at src/ or include/'
    for pattern, folders in WRAPPED:
        if pattern.search(name) and not path.startswith(folders):
            return f"includes <{name}>, which belongs to {', '.join(folders)}"
    parts = path.split("/")
    target = name.split("/")[0]
    if parts[0] == "src":
        return check_src_include(parts[1], quote, name, target)
    if parts[0] in ("tools", "perf", "plugins") and target in LAYERS and quote == '"':
        allowed = PRIVILEGED_TOOLS.get("/".join(parts[:2]), set())
        if target not in allowed:
            return f'includes "{name}"; {parts[0]}/ sees include/banyan only'
    if parts[0] == "include" and target != "banyan" and quote == '"':
        return f'includes "{name}"; public headers include public headers only'
    return None


def check_src_include(layer, quote, name, target):
    if layer not in LAYERS:
        return f"is in src/{layer}, which is not in the table of layers"
    if target == "banyan":
        header = name.split("/")[1]
        if layer == "base" and header not in BASE_PUBLIC:
            return f'includes "{name}"; base sees {", ".join(sorted(BASE_PUBLIC))} only'
        if header.endswith(".hpp"):
            return f'includes "{name}", which is for users in C++'
        return None
    if quote == '"' and target in LAYERS and target not in LAYERS[layer] | {layer, "base"}:
        return f'includes "{name}"; {layer} may include {", ".join(sorted(LAYERS[layer] | {"base"}))}'
    return None


def check_includes(path, lines):
    includes = []
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        includes.append(match.group(2))
        problem = check_include(path, match.group(1), match.group(2))
        if problem:
            yield number, problem
    if path.startswith("src/") and path.endswith(".cpp") and includes:
        own = path[len("src/"):-len(".cpp")] + ".hpp"
        if own in includes and includes[0] != own:
            yield 1, f'first include is not "{own}"'


def check_function_sizes(lines):
    """Length of functions in formatted code: from the line that opens the body to the brace at the same indent."""
    number = 0
    while number < len(lines):
        line = lines[number]
        indent = len(line) - len(line.lstrip())
        start = number
        while start > 0 and lines[start - 1].strip() and not re.search(r"[;{}:]\s*$", lines[start - 1]):
            start -= 1
        first = lines[start].lstrip()
        head = " ".join(lines[start:number + 1])
        if line.rstrip().endswith("{") and "(" in head and not NOT_A_FUNCTION.search(first):
            indent = len(lines[start]) - len(first)
            end = number + 1
            while end < len(lines) and not re.match(r" {%d}\}" % indent, lines[end]):
                end += 1
            if end - start + 1 > MAX_FUNCTION_LINES:
                yield start + 1, f"function of {end - start + 1} lines, limit {MAX_FUNCTION_LINES}"
            number = end
        number += 1


def check_collectives(lines):
    """A collective of a warp or block that only those threads reach for which the left side leaves the answer open: the
    others wait elsewhere, and nobody's deadline is looked at any more."""
    text = "\n".join(lines)
    for match in re.finditer(r"\b__(syncthreads\w*|\w+_sync|syncwarp)\s*\(", text):
        before = re.split(r"[;{}]", text[:match.start()])[-1]
        if re.search(r"&&|\|\||\?", before):
            yield text.count("\n", 0, match.start()) + 1, f"{match.group(0)}) behind &&, || or ?: not all threads call it"


def check_c_family(path, lines):
    name = os.path.basename(path)
    if not re.fullmatch(r"[a-z0-9_]+\.(cpp|hpp|c|h|cu|cuh)", name):
        yield 1, "file name is not snake_case"
    if name.endswith((".hpp", ".cuh")) and "#pragma once" not in (line.strip() for line in lines):
        yield 1, "no #pragma once"
    if path.startswith("include/banyan/") and name.endswith(".h"):
        guard = "BANYAN_" + name[:-2].upper() + "_H"
        if f"#ifndef {guard}" not in lines:
            yield 1, f"no include guard {guard}"
    yield from check_includes(path, lines)
    if name.endswith((".cu", ".cuh")):
        yield from check_collectives(lines)
    if path.startswith("tests/"):
        for number, line in enumerate(lines, 1):
            if re.match(r"\s*rc::check\(", line):
                yield number, "drops the result of rc::check, so it cannot fail; EXPECT_TRUE it"
    if not path.startswith("tests/"):
        yield from check_function_sizes(lines)
    for number, line in enumerate(lines, 1):
        if re.search(r"\busing\s+namespace\b", line):
            yield number, "using namespace"
        if path.startswith(("src/", "plugins/")):
            for pattern, what in FORBIDDEN_IN_LIBRARY:
                if pattern.search(line) and (path, what) not in EXCEPTIONS:
                    yield number, f"{what}: {line.strip()}"


def check_file(path, text):
    """Yields (line, problem) for one file; `path` is relative to the root."""
    lines = text.split("\n")
    if not any("SPDX-License-Identifier: Apache-2.0" in line for line in lines[:3]):
        yield 1, "no SPDX-License-Identifier: Apache-2.0 in the first lines"
    if len(lines) - 1 > MAX_FILE_LINES:
        yield 1, f"{len(lines) - 1} lines, limit {MAX_FILE_LINES}"
    if path.endswith(C_FAMILY):
        yield from check_c_family(path, strip_comments(text).split("\n"))


def main():
    if len(sys.argv) != 2 or not os.path.isdir(os.path.join(sys.argv[1], "src")):
        print(__doc__, file=sys.stderr)
        return 2
    root = sys.argv[1]
    files = 0
    problems = 0
    for path in source_files(root):
        files += 1
        with open(os.path.join(root, path), encoding="utf-8") as file:
            for line, problem in check_file(path, file.read()):
                print(f"{path}:{line}: {problem}")
                problems += 1
    print(f"{files} files, {problems} violations")
    return 1 if problems or files == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
