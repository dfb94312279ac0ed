"""Results -> a folder that people read: report.html, report.md, results.json, figures."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from wavemel.reports.content import make_document
from wavemel.reports.document import Document
from wavemel.reports.html import render_html
from wavemel.reports.markdown import render_markdown
from wavemel.reports.results import check_agreement, check_results
from wavemel.whole import write_text


def write_report(results: dict[str, Any], folder: Path) -> list[Path]:
    """Write ``results.json``, ``report.html``, ``report.md`` and ``figures/*.svg``.

    Everything is rendered before the first file is written, and each file is
    moved into place when whole.

    Parameters
    ----------
    results : what `wavemel.reports.results.Results` describes.
    folder : where to; made if need be, files of the same name are replaced.

    Returns
    -------
    list of Path
        The files written, the HTML page first.

    Raises
    ------
    ResultsError
        A key is missing or holds something else than it should, or figures
        that must agree do not.
    """
    plain: dict[str, Any] = dict(check_results(results))
    check_agreement(plain)
    return write_document(make_document(plain), plain, folder)


def write_document(document: Document, data: dict[str, Any], folder: Path) -> list[Path]:
    """Write a report's parts as pages and figures, and ``data`` as ``results.json``; see `write_report`."""
    texts = {
        "report.html": render_html(document),
        "report.md": render_markdown(document),
        "results.json": json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        **{f"figures/{chart.name}.svg": chart.svg for chart in document.charts()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "figures").mkdir(exist_ok=True)
    before = _figures(folder / "report.md")
    written = []
    for name, text in texts.items():
        written.append(write_text(folder / name, text))
    # Those that the report had before and no longer has would be taken for its own.
    for name in before - texts.keys():
        (folder / name).unlink(missing_ok=True)
    return written


def _figures(report: Path) -> set[str]:
    """Return the figures that a page in Markdown shows, ``figures/NAME.svg``; none where there is none."""
    if not report.is_file():
        return set()
    return set(re.findall(r"\]\((figures/[\w.-]+\.svg)\)", report.read_text("utf-8", "replace")))
