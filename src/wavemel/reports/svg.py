"""matplotlib figure -> SVG text: the same bytes each time, with a title and a description, themeable."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

from wavemel.errors import WavemelError
from wavemel.whole import new_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"

#: What is drawn with -> the CSS variable that a page may set instead.
INK, MUTED, GRID, PAPER = "#1c2128", "#5b6470", "#d5dae1", "#fffffe"
#: Okabe and Ito's colours for all kinds of colour vision, darkest pairs first; black is the ink's.
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#7a5195")
VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    PAPER: "--paper",
    **{colour: f"--series-{i}" for i, colour in enumerate(SERIES)},
}
FONT = "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif"


def to_svg(figure: Figure, name: str, title: str, description: str) -> str:
    """Return a figure as SVG text.

    Parameters
    ----------
    figure : what to draw.
    name : prefix of every id in it, so that several drawings can share a page.
    title, description : what a screen reader says of it.
    """
    import matplotlib

    buffer = io.StringIO()
    # Fixed salt and no date: equal results give equal files. Text stays text.
    with matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(
            buffer,
            format="svg",
            metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"), None),
        )
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", XLINK)
    root = ET.fromstring(buffer.getvalue())
    for metadata in root.findall(f"{{{SVG}}}metadata"):
        root.remove(metadata)
    _prefix_ids(root, name)
    for element in root.iter():
        # matplotlib writes its own font list into every text.
        style = element.get("style")
        if style and "font" in style:
            element.set(
                "style", re.sub(r"(font(?:-family)?: *(?:[\d.]+px )?).*?(?=;|$)", _font, style)
            )
    labels = {"title": title, "desc": description}
    for i, (tag, text) in enumerate(labels.items()):
        element = ET.Element(f"{{{SVG}}}{tag}", {"id": f"{name}-{tag}"})
        element.text = text
        root.insert(i, element)
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    return ET.tostring(root, encoding="unicode") + "\n"


def write_figure(figure: Figure, path: Path, title: str, description: str) -> None:
    """Write a figure to a ``.svg`` or ``.png`` file, moved into place when whole.

    Raises
    ------
    WavemelError
        Another suffix, or a folder that is not there.
    """
    suffix = path.suffix.lower()
    if suffix not in (".svg", ".png"):
        raise WavemelError(f"{path} must end in .svg or .png")
    if not path.parent.is_dir():
        raise WavemelError(f"{path.parent} is no folder, so {path.name} cannot be written there")
    with new_file(path) as part:
        if suffix == ".svg":
            part.write_text(to_svg(figure, "figure", title, description), "utf-8")
        else:
            figure.savefig(part, format="png", dpi=160, metadata={"Title": title, "Software": None})


def themed(svg: str) -> str:
    """Return an SVG for use inside a page: its colours are the page's CSS variables."""
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable}, {colour})")
    return svg


def plain_text(text: str, most: int) -> str:
    """Return text that matplotlib draws as it stands: on one line, ``most`` letters, no formulas."""
    text = text if text.isprintable() else ascii(text)
    text = text if len(text) <= most else text[: most - 1] + "…"
    # A dollar sign begins a formula in matplotlib.
    return text.replace("$", r"\$")


def _font(match: re.Match[str]) -> str:
    return match.group(1) + FONT


def _prefix_ids(root: ET.Element, name: str) -> None:
    for element in root.iter():
        own = element.get("id")
        if own is not None:
            element.set("id", f"{name}-{own}")
        for key, value in element.attrib.items():
            if key.endswith("href") and value.startswith("#"):
                element.set(key, f"#{name}-{value[1:]}")
            elif "url(#" in value:
                element.set(key, value.replace("url(#", f"url(#{name}-"))
