#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that tests/c_api/*.c call every function of the C API.

usage: check_coverage.py INCLUDE_FOLDER TEST_FOLDER
"""
import glob
import os
import re
import sys


def declared_functions(folder):
    """Names of all functions marked BANYAN_API in the headers of a folder."""
    names = set()
    for header in glob.glob(os.path.join(folder, "*.h")):
        with open(header, encoding="utf-8") as file:
            text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
        text = re.sub(r"^\s*#.*$", "", text, flags=re.M)
        names |= set(re.findall(r"BANYAN_API\b[^;{]*?\b(banyan_\w+)\s*\(", text))
    return names


def main():
    declared = declared_functions(sys.argv[1])
    text = ""
    for source in glob.glob(os.path.join(sys.argv[2], "*.c")):
        with open(source, encoding="utf-8") as file:
            text += file.read()
    missing = sorted(name for name in declared if not re.search(rf"\b{name}\s*\(", text))
    print(f"{len(declared)} functions declared, {len(missing)} not called by a test in C")
    for name in missing:
        print(f"not called: {name}")
    return 1 if missing or not declared else 0


if __name__ == "__main__":
    sys.exit(main())
