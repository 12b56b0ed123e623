#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails when a test was skipped for a reason that is not on the list.

usage: check_skips.py LIST RESULTS_FOLDER     RESULTS_FOLDER has ctest's and GoogleTest's JUnit files
"""
import glob
import os
import re
import sys
import xml.etree.ElementTree as ElementTree


def reason_of(case, skipped):
    """What the test said: GoogleTest's message, or a script's line "SKIP: reason"."""
    output = case.findtext("system-out") or ""
    line = re.search(r"^(?:SKIP:?|.*# SKIP) *(.*)$", output, re.M)
    return line.group(1) if line else (skipped.get("message") or skipped.text or "no reason given").strip()


def skips(folder):
    """Yields (test, reason) for every skipped test in the folder's files."""
    for path in sorted(glob.glob(os.path.join(folder, "**/*.xml"), recursive=True)):
        try:
            root = ElementTree.parse(path).getroot()
        except ElementTree.ParseError as error:
            yield path, f"unreadable results: {error}"
            continue
        for case in root.iter("testcase"):
            skipped = case.find("skipped")
            if skipped is not None:
                yield f"{case.get('classname')}.{case.get('name')}", reason_of(case, skipped)


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    with open(sys.argv[1], encoding="utf-8") as file:
        allowed = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    found = list(skips(sys.argv[2]))
    unlisted = [(test, reason) for test, reason in found if not any(re.search(pattern, reason) for pattern in allowed)]
    for test, reason in unlisted:
        print(f"skipped for a reason that {sys.argv[1]} does not list: {test}: {reason}")
    print(f"{len(found)} tests skipped inside programs or as a whole, {len(unlisted)} for an unlisted reason")
    return 1 if unlisted else 0


if __name__ == "__main__":
    sys.exit(main())
