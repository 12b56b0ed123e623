# SPDX-License-Identifier: Apache-2.0
"""The parts of the quickstart report, each from the files that the tools wrote. Every text is escaped here."""

from html import escape

from figures import DASH, bytes_text, is_figure, percent_text, rate_text, ratio, time_text, times_text

SHORT_BAR = 2  # percent of the width: a bar that can be seen
PREDICTION_TOLERANCE = 0.25
ALIKE = 1.15  # hosts whose rates differ by less are told of as one
NAMED_AT_MOST = 4


def table(head, rows, classes=None):
    """A table of texts; `classes[i]` is the class of row i."""
    lines = ["<table><thead><tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr></thead><tbody>"]
    for index, row in enumerate(rows):
        css = f' class="{classes[index]}"' if classes and classes[index] else ""
        lines.append(f"<tr{css}>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>")
    return "\n".join(lines) + "</tbody></table>"


def section(anchor, title, how_to_read, body):
    """A section with its explanation above what it explains."""
    return (
        f'<section id="{anchor}"><h2>{escape(title)}</h2>\n<p class="read">{escape(how_to_read)}</p>\n{body}</section>'
    )


def bars(entries, bound_s):
    """entries: (name, seconds, css class). Bars on one scale, with a line where no exchange can be faster."""
    longest = max((seconds for _, seconds, _ in entries if is_figure(seconds)), default=None)
    if longest is None:
        return ""
    longest = max(longest, bound_s if is_figure(bound_s) else 0)
    row, left, width = 26, 190, 560
    height = row * len(entries) + 24
    parts = [f'<svg class="bars" role="img" viewBox="0 0 {left + width + 110} {height}">']
    for index, (name, seconds, css) in enumerate(entries):
        y = row * index + 4
        share = seconds / longest if is_figure(seconds) else 0
        parts.append(f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{escape(name)}</text>')
        parts.append(
            f'<rect class="{css}" x="{left}" y="{y}" width="{max(share * width, SHORT_BAR):.1f}" height="{row - 8}"/>'
        )
        end = left + max(share * width, SHORT_BAR)
        parts.append(f'<text x="{end + 6:.1f}" y="{y + 14}">{time_text(seconds)}</text>')
    if is_figure(bound_s):
        x = left + bound_s / longest * width
        parts.append(f'<line class="bound" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height - 18}"/>')
        parts.append(f'<text class="bound" x="{x:.1f}" y="{height - 4}" text-anchor="middle">bound</text>')
    return "".join(parts) + "</svg>"


def host_rates(profile, lab):
    """Rows (name, ranks, nominal, out, in) by host, from what was measured and, in a lab, what was set."""
    nominal = {}
    for node in (lab or {}).get("nodes", []):
        nics = node.get("nic", {}).values()
        nominal[node.get("hostname")] = sum(nic.get("rate_bytes_per_s", 0) for nic in nics)
    rows = []
    for host in (profile or {}).get("hosts", []):
        name = host.get("name", "?")
        rows.append(
            (name, host.get("num_ranks", ""), nominal.get(name), host.get("egress_bytes_per_s"),
             host.get("ingress_bytes_per_s"))
        )  # fmt: skip
    return rows


def hosts_section(rows):
    """The table of measured rates."""
    body = table(
        ["host", "ranks", "NIC set to", "measured out", "measured in", "of what was set: out, in"],
        [
            (name, ranks, rate_text(nominal), rate_text(out), rate_text(into), f"{percent_text(ratio(out, nominal))}, {percent_text(ratio(into, nominal))}")
            for name, ranks, nominal, out, into in rows
        ],
    )
    return section(
        "hosts",
        "What each host's network does",
        "All ranks of a host sending at once, then receiving at once. The slowest host decides how long an exchange of "
        "equal counts takes; headers of TCP and Ethernet take 4 to 6 % of a rate, and more than 96 % is noise.",
        body,
    )


def plan_section(perf):
    """What the planner said about each size."""
    texts = [(row.get("size_bytes"), row["explanation"]) for row in perf.get("rows", []) if row.get("explanation")]
    if not texts:
        return ""
    body = "".join(
        f"<h3>{escape(bytes_text(size))} per pair on average</h3><pre>{escape(text)}</pre>" for size, text in texts
    )
    return section(
        "plan",
        "The plan and its reasons",
        "What was chosen for this traffic, what it should take, and what was rejected and why. Messages and wires work at "
        "the same time, so a prediction is the longer of (latency + messages) and wire, a quarter of the shorter, and "
        "the copies; what is the longest is said last. rail: each rank sends one message to each rank of the same place "
        "on the other hosts; node: one rank sends for its whole host; direct: every pair by itself. Mapped messages are "
        "written into memory that ranks of a host share.",
        body,
    )


def perf_section(perf):
    """The checked run through Banyan."""
    rows, classes = [], []
    for row in perf.get("rows", []):
        checked = row.get("checked_exchanges", 0)
        wrong = row.get("wrong_bytes", 0)
        classes.append("bad" if wrong else "")
        rows.append(
            (
                bytes_text(row.get("size_bytes")),
                time_text(row.get("p50_s")),
                time_text(row.get("p99_s")),
                f"{wrong}" if checked else "not checked",
                bytes_text(row.get("wire_bytes")),
                time_text(row.get("bound_s")),
                percent_text(row.get("bound_share")),
                time_text(row.get("predicted_s")),
                row.get("algorithm", ""),
            )
        )
    head = ["mean size per pair", "time (p50)", "p99", "wrong bytes", "bytes between hosts", "bound", "of bound",
            "predicted", "algorithm"]  # fmt: skip
    return section(
        "run",
        "The planned exchange, run and checked",
        "Time of the slowest rank. Every byte of the checked exchanges is compared with what had to arrive. The bound "
        "is the time that the busiest link needs, at its measured speed, for the bytes that must cross it; no schedule "
        "can be faster.",
        table(head, rows, classes),
    )


def best_of(point, library):
    """The fastest candidate of a library, or None."""
    found = [c for c in point.get("candidates", []) if c.get("name", "").startswith(library + ":")]
    measured = [c for c in found if is_figure(c.get("median_s"))]
    return min(measured, key=lambda c: c["median_s"]) if measured else None


def default_of(point):
    """Open MPI as a user gets it: its own choice."""
    return next((c for c in point.get("candidates", []) if c.get("name") == "openmpi:default"), None)


def automatic(point):
    """Banyan as a user gets it: its own choice."""
    return next((c for c in point.get("candidates", []) if c.get("name") == "banyan:auto"), None)


def compare_section(compare):
    """Banyan beside every algorithm of Open MPI."""
    rows, classes, charts = [], [], []
    for point in compare.get("points", []):
        ours, theirs = automatic(point) or {}, best_of(point, "openmpi") or {}
        default = default_of(point) or {}
        speedup = ratio(theirs.get("median_s"), ours.get("median_s"))
        bound_s = point.get("bound_s")
        classes.append("bad" if point.get("wrong_bytes") else "")
        rows.append(
            (
                bytes_text(point.get("size_bytes")),
                time_text(theirs.get("median_s")),
                theirs.get("name", DASH).removeprefix("openmpi:"),
                time_text(default.get("median_s")),
                time_text(ours.get("median_s")),
                times_text(speedup),
                bytes_text(theirs.get("nic_bytes_per_exchange")),
                bytes_text(ours.get("nic_bytes_per_exchange")),
                time_text(bound_s),
                percent_text(ratio(bound_s, ours.get("median_s"))),
                percent_text(point.get("predicted_ratio")),
                point.get("wrong_bytes", 0),
            )
        )
        entries = [
            (c.get("name", "?"), c.get("median_s"), "ours" if c.get("name", "").startswith("banyan:") else "theirs")
            for c in point.get("candidates", [])
        ]
        charts.append(
            f"<figure><figcaption>{escape(bytes_text(point.get('size_bytes')))} per pair on average</figcaption>"
            f"{bars(entries, bound_s)}</figure>"
        )
    head = ["mean size per pair", "Open MPI's best", "its algorithm", "its default", "Banyan", "faster", "Open MPI: wire bytes",
            "Banyan: wire bytes", "bound", "Banyan of bound", "predicted / measured", "wrong bytes"]  # fmt: skip
    return section(
        "compare",
        "Open MPI beside it",
        "The same exchange through every all-to-all algorithm of Open MPI and through Banyan, in one run, taking "
        "turns: median over the rounds of the slowest rank. Wire bytes are what the hosts' network cards sent per "
        "exchange, counted by the kernel. The bound here follows from the rates that the cards were set to, not from "
        "measured ones. More than 100 % of it is no mistake: after a pause a card of the lab lets a burst of at least "
        "64 KiB pass at once, which is most of a small exchange. Exchanges run back to back here, above one at a time, "
        "so times differ.",
        table(head, rows, classes) + "".join(charts),
    )


def join_names(names):
    """a; a and b; a, b and c; a, b, c and 5 more."""
    if len(names) > NAMED_AT_MOST:
        names = [*names[: NAMED_AT_MOST - 1], f"{len(names) - NAMED_AT_MOST + 1} more"]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def comparison(point):
    """A sentence on a size: Banyan's time and what it is near to, and Open MPI's; None without both."""
    ours, theirs, default = automatic(point) or {}, best_of(point, "openmpi") or {}, default_of(point) or {}
    speedup = ratio(theirs.get("median_s"), ours.get("median_s"))
    if speedup is None:
        return None
    faster = f"{times_text(speedup)} faster than" if speedup >= 1 else f"{percent_text(1 / speedup - 1)} slower than"
    return (
        f"At {bytes_text(point.get('size_bytes'))} per pair, back to back, Banyan took {time_text(ours['median_s'])} "
        f"({percent_text(ratio(point.get('bound_s'), ours['median_s']))} of the bound; "
        f"predicted: {percent_text(point.get('predicted_ratio'))} of that), {faster} Open MPI's best "
        f"({theirs['name'].removeprefix('openmpi:')}, {time_text(theirs['median_s'])}; its default took "
        f"{time_text(default.get('median_s'))})."
    )


def findings(rates, perf, compare):
    """Plain sentences about this network and this run, from the figures alone."""
    texts = []
    if any(is_figure(nominal) for _, _, nominal, _, _ in rates):
        texts.append(f"A lab: the {len(rates)} hosts are namespaces of one machine, and the speeds of their cards are set.")
    measured = [(name, out) for name, _, _, out, _ in rates if is_figure(out)]
    if len(measured) > 1:
        slow, fast = min(measured, key=lambda m: m[1]), max(measured, key=lambda m: m[1])
        if fast[1] > ALIKE * slow[1]:
            names = [name for name, rate in measured if rate <= ALIKE * slow[1]]
            have = "have" if len(names) > 1 else "has"
            texts.append(
                f"{join_names(names)} {have} the slowest network: {rate_text(slow[1])}, {fast[1] / slow[1]:.1f} times "
                f"less than {fast[0]} ({rate_text(fast[1])})."
            )
        else:
            texts.append(f"All {len(measured)} hosts reach about {rate_text(slow[1])}.")
    for row in (perf or {}).get("rows", []):
        share = ratio(row.get("predicted_s"), row.get("p50_s"))
        if share is not None:
            verdict = "within" if abs(share - 1) <= PREDICTION_TOLERANCE else "not within"
            texts.append(
                f"At {bytes_text(row.get('size_bytes'))} per pair the plan {row.get('algorithm', '')} was predicted to "
                f"take {time_text(row['predicted_s'])} and took {time_text(row['p50_s'])}, one at a time, {verdict} 25 %."
            )
    texts += [text for text in map(comparison, (compare or {}).get("points", [])) if text]
    cores = (perf or {}).get("environment", {}).get("cores")
    ranks = sum(num_ranks for _, num_ranks, _, _, _ in rates if is_figure(num_ranks))
    if is_figure(cores) and ranks > cores:
        texts.append(
            f"{ranks} ranks share {cores} cores: times of small exchanges are those of the scheduler, and vary."
        )
    wrong = sum(row.get("wrong_bytes", 0) for row in (perf or {}).get("rows", []))
    wrong += sum(point.get("wrong_bytes", 0) for point in (compare or {}).get("points", []))
    checked = min((row.get("checked_exchanges", 0) for row in (perf or {}).get("rows", [])), default=0)
    right = f"Every checked byte was right ({checked} exchange{'' if checked == 1 else 's'} of each size checked)."
    texts.append(right if wrong == 0 else f"{wrong} BYTES WERE WRONG: please report this.")
    return texts
