# SPDX-License-Identifier: Apache-2.0
"""Takes a picture into a page: keeps shapes and text of an SVG file, drops all that could load or run something."""

import re
import xml.etree.ElementTree as ElementTree

SVG = "http://www.w3.org/2000/svg"
MAX_BYTES = 16 * 1024 * 1024

TAGS = frozenset(
    "svg g defs title desc rect line circle ellipse path polyline polygon text tspan linearGradient radialGradient "
    "stop marker clipPath style".split()
)
# References stay inside the picture: url(#id) only, no href at all.
UNSAFE_VALUE = re.compile(r"url\s*\(\s*[\"']?(?!#)|javascript:|expression\s*\(|@|\\", re.IGNORECASE)


class NotAPicture(ValueError):
    """The text is not an SVG picture; the message says why."""


def _clean(element):
    """Returns a copy of `element` without what is not allowed, or None."""
    namespace, _, name = element.tag.rpartition("}") if isinstance(element.tag, str) else ("", "", "")
    if name not in TAGS or namespace not in ("", "{" + SVG):
        return None
    if name == "style" and UNSAFE_VALUE.search("".join(element.itertext())):
        return None
    copy = ElementTree.Element(name)
    for key, value in element.attrib.items():
        if key.startswith("{") or key.lower().startswith("on") or key.lower() == "href":
            continue
        if not UNSAFE_VALUE.search(value):
            copy.set(key, value)
    copy.text = element.text
    for child in element:
        kept = _clean(child)
        if kept is not None:
            kept.tail = child.tail
            copy.append(kept)
    return copy


def clean_svg(text):
    """The picture as one <svg> element that is safe inside an HTML page. Raises NotAPicture."""
    if len(text) > MAX_BYTES:
        raise NotAPicture("larger than 16 MiB")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise NotAPicture("has a document type, which could define entities")
    try:
        root = _clean(ElementTree.fromstring(text))
    except ElementTree.ParseError as error:
        raise NotAPicture(f"not XML: {error}") from error
    if root is None or root.tag != "svg":
        raise NotAPicture("the outermost element is not svg")
    width, height = root.get("width"), root.get("height")
    if root.get("viewBox") is None and width and height:
        sizes = [re.fullmatch(r"\s*([0-9.]+)(px)?\s*", size) for size in (width, height)]
        if all(sizes):
            root.set("viewBox", f"0 0 {sizes[0][1]} {sizes[1][1]}")
    root.set("role", "img")
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)
