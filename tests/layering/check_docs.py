#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that every relative link of the Markdown pages leads somewhere and that docs/c-api.md has every C function.

usage: check_docs.py ROOT
"""
import glob
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "c_api"))
from check_coverage import declared_functions  # noqa: E402  pylint: disable=wrong-import-position


def broken_links(page):
    with open(page, encoding="utf-8") as file:
        text = re.sub(r"```.*?```", "", file.read(), flags=re.S)
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in target and not os.path.exists(os.path.join(os.path.dirname(page), target)):
            yield f"{page}: link to {target}, which does not exist"


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    root = sys.argv[1]
    pages = sorted(glob.glob(os.path.join(root, "*.md")) + glob.glob(os.path.join(root, "docs/**/*.md"), recursive=True))
    problems = [problem for page in pages for problem in broken_links(page)]
    with open(os.path.join(root, "docs/c-api.md"), encoding="utf-8") as file:
        guide = file.read()
    problems += [f"docs/c-api.md: {name} is missing" for name in sorted(declared_functions(
        os.path.join(root, "include/banyan"))) if f"`{name}`" not in guide]
    for problem in problems:
        print(problem)
    print(f"{len(pages)} pages, {len(problems)} problems")
    return 1 if problems or not pages else 0


if __name__ == "__main__":
    sys.exit(main())
