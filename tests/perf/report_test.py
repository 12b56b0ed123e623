#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Properties of the quickstart's report: self-contained, escaped, whole whatever its inputs are."""

import json
import pathlib
import sys
import tempfile
import unittest
from html.parser import HTMLParser

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools" / "report"))

import figures  # noqa: E402
import make_report  # noqa: E402
import sections  # noqa: E402
from svg_clean import NotAPicture, clean_svg  # noqa: E402

EVIL = '<script>alert("x")</script>&\'"'
VOID = {"meta", "link", "br", "img", "input", "hr"}

PERF = {
    "environment": {"date": "2026-01-02T03:04:05Z", "host": EVIL, "cores": 2, "kernel": EVIL},
    "rows": [{"size_bytes": 4096, "p50_s": 2e-3, "p99_s": 3e-3, "checked_exchanges": 1, "wrong_bytes": 0,
              "wire_bytes": 1e6, "bound_s": 1.9e-3, "bound_share": 0.95, "predicted_s": 2.1e-3,
              "algorithm": "hierarchical(rail)" + EVIL, "explanation": "chosen: direct" + EVIL}],
}  # fmt: skip
COMPARE = {
    "points": [{"size_bytes": 4096, "bound_s": 1.9e-3, "wrong_bytes": 0, "candidates": [
        {"name": "openmpi:linear", "median_s": 4e-3, "nic_bytes_per_exchange": 2e6},
        {"name": "openmpi:pairwise" + EVIL, "median_s": 6e-3, "nic_bytes_per_exchange": 2e6},
        {"name": "banyan:auto", "median_s": 2e-3, "nic_bytes_per_exchange": 1e6}]}],
}  # fmt: skip
PROFILE = {"hosts": [{"name": "node0", "num_ranks": 4, "egress_bytes_per_s": 119e6, "ingress_bytes_per_s": 118e6},
                     {"name": "node1" + EVIL, "num_ranks": 4, "egress_bytes_per_s": 29e6, "ingress_bytes_per_s": 29e6}]}
LAB = {"nodes": [{"hostname": "node0", "nic": {"eth0": {"rate_bytes_per_s": 125e6}}}]}
TREE = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><title>tree</title><rect width="9"/></svg>'


class Page(HTMLParser):
    """Collects what a browser would make of a page, and whether every element is closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open, self.text, self.broken = [], [], [], "", []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.broken.append(tag)

    def handle_data(self, data):
        self.text += data


class ReportTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def file(self, name, content):
        path = pathlib.Path(self.folder.name) / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    def report(self, *arguments):
        out = pathlib.Path(self.folder.name) / "report.html"
        self.assertEqual(make_report.main(["--out", str(out), *arguments]), 0)
        return out.read_text()

    def full_report(self):
        return self.report(
            "--tree-svg", self.file("tree.svg", TREE), "--heatmap-svg", self.file("heat.svg", TREE),
            "--profile-json", self.file("profile.json", PROFILE), "--lab-json", self.file("lab.json", LAB),
            "--perf-json", self.file("perf.json", PERF),
            "--compare-json", self.file("compare.json", COMPARE), "--note", "no root" + EVIL, "--command",
            "banyan-topo" + EVIL)  # fmt: skip

    def test_page_has_every_part(self):
        page = Page(self.full_report())
        ids = {value for name, value in page.attributes if name == "id"}
        self.assertLessEqual({"tree", "heatmap", "hosts", "plan", "run", "compare", "commands"}, ids)
        self.assertGreaterEqual(page.tags.count("svg"), 3)
        for text in ("hierarchical(rail)", "2.00x", "95 %", "1 Gbit/s", "4 KiB", "chosen: direct",
                     "Every checked byte was right (1 exchange of each size"):  # fmt: skip
            self.assertIn(text, page.text)

    def test_texts_from_files_are_escaped(self):
        page = Page(self.full_report())
        self.assertNotIn("script", page.tags)
        self.assertGreaterEqual(page.text.count('<script>alert("x")</script>'), 6)

    def test_every_element_is_closed(self):
        page = Page(self.full_report())
        self.assertEqual((page.broken, page.open), ([], []))

    def test_page_loads_nothing(self):
        page = Page(self.full_report())
        for name, _ in page.attributes:
            self.assertNotIn(name, ("src", "href", "onload", "onclick", "srcset"))
        self.assertNotIn("link", page.tags)

    def test_findings_name_the_slow_host_and_the_speedup(self):
        texts = " ".join(sections.findings(sections.host_rates(PROFILE, LAB), PERF, COMPARE))
        self.assertIn("node1", texts)
        self.assertIn("4.1 times less than node0", texts)
        self.assertIn("2.00x faster than", texts)
        self.assertIn("within 25 %", texts)

    def test_all_slow_hosts_are_named(self):
        rates = [("a", 4, None, 119e6, 119e6), ("b", 4, None, 30e6, 30e6), ("c", 4, None, 29e6, 29e6)]
        self.assertIn("b and c have the slowest network", sections.findings(rates, None, None)[0])
        lab = [(*rate[:2], 1e9, *rate[3:]) for rate in rates]
        self.assertIn("3 hosts are namespaces of one machine", sections.findings(lab, None, None)[0])
        self.assertEqual(sections.join_names(["a", "b", "c"]), "a, b and c")
        self.assertEqual(sections.join_names(list("abcdefg")), "a, b, c and 4 more")

    def test_more_ranks_than_cores_is_said(self):
        rates = sections.host_rates(PROFILE, LAB)
        self.assertIn("8 ranks share 2 cores", " ".join(sections.findings(rates, PERF, None)))
        self.assertNotIn("share", " ".join(sections.findings(rates, {"environment": {"cores": 8}}, None)))

    def test_wrong_bytes_are_shouted(self):
        perf = json.loads(json.dumps(PERF))
        perf["rows"][0]["wrong_bytes"] = 7
        page = self.report("--perf-json", self.file("perf.json", perf))
        self.assertIn("7 BYTES WERE WRONG", page)
        self.assertIn('<tr class="bad">', page)

    def test_without_inputs_the_page_is_whole(self):
        page = Page(self.report())
        self.assertEqual((page.broken, page.open), ([], []))

    def test_missing_and_broken_inputs_become_sentences(self):
        page = Page(
            self.report(
                "--tree-svg", self.folder.name + "/absent.svg", "--heatmap-svg", self.file("bad.svg", "<svg"),
                "--profile-json", self.file("cut.json", '{"hosts": ['), "--perf-json", self.file("list.json", "[]"))
        )  # fmt: skip
        for text in ("absent.svg is missing", "bad.svg is no picture", "cut.json is not JSON", "list.json holds no"):
            self.assertIn(text, page.text)

    def test_zero_and_absent_figures_become_dashes(self):
        perf = {"rows": [{"size_bytes": 0, "p50_s": 0, "bound_s": 0}, {}]}
        compare = {"points": [{"candidates": [{"name": "banyan:auto", "median_s": 0}, {"name": "openmpi:linear"}]}, {}]}
        profile = {"hosts": [{"name": "a", "egress_bytes_per_s": 0}, {"name": "b"}]}
        page = Page(
            self.report(
                "--perf-json", self.file("p.json", perf), "--compare-json", self.file("c.json", compare),
                "--profile-json", self.file("f.json", profile))
        )  # fmt: skip
        self.assertIn(figures.DASH, page.text)
        self.assertNotIn("nan", page.text)


class FiguresTest(unittest.TestCase):
    def test_units(self):
        self.assertEqual(figures.time_text(12.34e-3), "12.3 ms")
        self.assertEqual(figures.time_text(65e-6), "65 µs")
        self.assertEqual(figures.rate_text(125e6), "1 Gbit/s")
        self.assertEqual(figures.bytes_text(4096), "4 KiB")
        self.assertEqual(figures.bytes_text(0), "0 B")
        self.assertEqual(figures.percent_text(0.923), "92 %")

    def test_no_figure_is_a_dash(self):
        for value in (None, 0, float("nan"), float("inf"), "x", -1, True):
            self.assertEqual(figures.time_text(value), figures.DASH)
        self.assertIsNone(figures.ratio(1, 0))


class SvgTest(unittest.TestCase):
    def test_scripts_handlers_and_references_are_dropped(self):
        text = clean_svg(
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:x="http://www.w3.org/1999/xlink" onload="a()">'
            '<script>a()</script><image x:href="http://a/b"/><a x:href="javascript:a()"><text>t</text></a>'
            '<rect fill="url(http://a/b)" width="3"/><rect fill="url(#ok)"/><foreignObject><p>html</p></foreignObject>'
            "<style>@import 'http://a/b';</style><style>.k{fill:red}</style></svg>"
        )
        for evil in ("script", "image", "href", "onload", "http://a", "foreignObject", "import", "<a"):
            self.assertNotIn(evil, text)
        for good in ('width="3"', "url(#ok)", ".k{fill:red}"):
            self.assertIn(good, text)

    def test_text_stays_escaped(self):
        text = clean_svg('<svg xmlns="http://www.w3.org/2000/svg"><text>&lt;script&gt;</text></svg>')
        self.assertIn("&lt;script&gt;", text)

    def test_a_picture_of_fixed_size_gets_a_view_box(self):
        self.assertIn('viewBox="0 0 40 20"', clean_svg(TREE))

    def test_entities_and_other_documents_are_refused(self):
        for text in ('<!DOCTYPE svg [<!ENTITY a "b">]><svg/>', "<html/>", "", "<svg>", "x" * (17 * 1024 * 1024)):
            with self.assertRaises(NotAPicture):
                clean_svg(text)


if __name__ == "__main__":
    unittest.main()
