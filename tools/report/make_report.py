#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes one self-contained HTML page from what the quickstart's tools left: pictures, profile, plan, tables.

Standard library only. No script in the page; every text that comes from a file is escaped, pictures are cleaned.
A file that is missing or unreadable becomes a sentence in the page, never a half page.
"""

import argparse
import json
import os
import sys
from html import escape

import sections
from svg_clean import NotAPicture, clean_svg

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2733; background: #f6f7f9; margin: 0; }
main { max-width: 1080px; margin: 0 auto; padding: 24px; }
h1 { font-size: 26px; margin: 0 0 4px; }
h3 { font-size: 14px; margin: 10px 0 4px; }
h2 { font-size: 19px; margin: 0 0 4px; }
section, header { background: #fff; border: 1px solid #dde2e8; border-radius: 8px; padding: 18px 22px;
  margin: 0 0 18px; }
.read, .where { color: #566373; margin: 0 0 12px; }
table { border-collapse: collapse; font-size: 13.5px; width: 100%; display: block; overflow-x: auto; }
th, td { padding: 5px 10px; text-align: right; border-bottom: 1px solid #e8ecf0; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
th { color: #566373; font-weight: 600; white-space: normal; vertical-align: bottom; }
tr.bad td, .bad { color: #b3261e; font-weight: 600; }
pre { background: #f6f7f9; border-radius: 6px; padding: 12px; overflow-x: auto; font-size: 12.5px; line-height: 1.4; }
figure { margin: 14px 0 0; overflow-x: auto; } figcaption { color: #566373; font-size: 13.5px; }
figure > svg { max-width: 100%; height: auto; }
svg.bars { width: 100%; max-width: 860px; font-size: 13px; fill: #1d2733; }
svg.bars rect.ours { fill: #0f766e; } svg.bars rect.theirs { fill: #b6c2cf; }
svg.bars line.bound { stroke: #b45309; stroke-width: 2; stroke-dasharray: 4 3; } svg.bars text.bound { fill: #b45309; }
ul { margin: 6px 0 0; padding-left: 20px; }
"""


def read_text(path, problems):
    """The file's text; None, with a sentence in `problems`, when there is none."""
    if not path:
        return None
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError as error:
        problems.append(f"{os.path.basename(path)} is missing: {error.strerror}.")
        return None


def read_json(path, problems):
    """The file's object; None like read_text."""
    text = read_text(path, problems)
    if text is None:
        return None
    try:
        value = json.loads(text)
    except ValueError as error:
        problems.append(f"{os.path.basename(path)} is not JSON: {error}.")
        return None
    if not isinstance(value, dict):
        problems.append(f"{os.path.basename(path)} holds no object.")
        return None
    return value


def picture(path, problems):
    """The cleaned picture in a figure; empty like read_text."""
    text = read_text(path, problems)
    if text is None:
        return ""
    try:
        return f"<figure>{clean_svg(text)}</figure>"
    except NotAPicture as error:
        problems.append(f"{os.path.basename(path)} is no picture: {error}.")
        return ""


def environment_of(*sources):
    """The first source's record of where it ran."""
    for source in sources:
        if source and isinstance(source.get("environment"), dict):
            return source["environment"]
    return {}


def head_section(options, texts, problems, environment):
    """Title, findings, and what is missing."""
    where = f"{environment.get('date', '')} on {environment.get('host', 'this machine')}, "
    where += f"{environment.get('cores', '?')} cores, {environment.get('kernel', '')}"
    lines = [f"<header><h1>{escape(options.title)}</h1><p class='where'>{escape(where)}</p>"]
    lines.append("<ul>" + "".join(f"<li>{escape(text)}</li>" for text in texts) + "</ul>")
    if options.note or problems:
        missing = "".join(f"<li>{escape(text)}</li>" for text in [*options.note, *problems])
        lines.append(f"<p><strong>What is missing</strong></p><ul>{missing}</ul>")
    return "\n".join(lines) + "</header>"


def commands_section(options, environment):
    """How to get this page again."""
    body = "<pre>" + escape("\n".join(options.command)) + "</pre>"
    versions = [environment.get("mpi", ""), environment.get("banyan", {}).get("build", "")]
    body += "".join(f"<pre>{escape(text)}</pre>" for text in versions if text)
    return sections.section("commands", "How it was made", "The commands, in order, and the versions that ran.", body)


def build(options):
    """The whole page."""
    problems = []
    profile, lab = read_json(options.profile_json, problems), read_json(options.lab_json, problems)
    perf, compare = read_json(options.perf_json, problems), read_json(options.compare_json, problems)
    tree, heat_map = picture(options.tree_svg, problems), picture(options.heatmap_svg, problems)
    rates = sections.host_rates(profile, lab)
    environment = environment_of(compare, perf)
    parts = []
    if tree:
        parts.append(sections.section(
            "tree", "The cluster as a tree",
            "Hosts below the network, ranks below their host. The deeper the place where two ranks' paths meet, the "
            "faster they talk: inside a host through memory, between hosts through the slower of two network cards. "
            "Speeds in this picture are what the drivers claim (every virtual card says 10 Gbit/s); what the cards do "
            "was measured and comes next.",
            tree))  # fmt: skip
    if heat_map and len(rates) > 1:
        parts.append(sections.section(
            "heatmap", "Measured bandwidth from host to host",
            "Row sends, column receives, one pair at a time; the darker, the faster. A pale row or column is a host with "
            "a slow network card; a pale block off the diagonal is a slow path between groups of hosts.", heat_map))  # fmt: skip
    if rates:
        parts.append(sections.hosts_section(rates))
    if perf:
        parts.append(sections.plan_section(perf))
        parts.append(sections.perf_section(perf))
    if compare:
        parts.append(sections.compare_section(compare))
    if options.command:
        parts.append(commands_section(options, environment))
    head = head_section(options, sections.findings(rates, perf, compare), problems, environment)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(options.title)}</title><style>{STYLE}</style></head>\n<body><main>\n"
        + "\n".join([head, *parts])
        + "\n</main></body></html>\n"
    )


def parse(arguments):
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="the page to write")
    parser.add_argument("--title", default="Banyan quickstart")
    for name, what in (
        ("--tree-svg", "picture of banyan-topo"),
        ("--heatmap-svg", "picture of banyan-profile"),
        ("--profile-json", "profile of banyan-profile"),
        ("--lab-json", "output of banyan-lab describe --json"),
        ("--perf-json", "output of alltoallv_perf --explain -J"),
        ("--compare-json", "output of mpi_compare -J"),
    ):
        parser.add_argument(name, help=what)
    parser.add_argument("--note", action="append", default=[], help="a sentence about what is missing (repeatable)")
    parser.add_argument("--command", action="append", default=[], help="a command that was run (repeatable)")
    return parser.parse_args(arguments)


def main(arguments=None):
    """Writes the page whole or not at all."""
    options = parse(arguments)
    page = build(options)
    part = options.out + ".part"
    with open(part, "w", encoding="utf-8") as file:
        file.write(page)
    os.replace(part, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
