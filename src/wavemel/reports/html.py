"""The report as one HTML file that needs nothing else: styles and figures stand in it."""

from __future__ import annotations

from importlib.resources import files

from wavemel.reports.document import Bullets, Charts, Commands, Document, Part, Table
from wavemel.reports.svg import themed


def render_html(document: Document) -> str:
    """Return the report as an HTML page without any request to elsewhere."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(
            lambda name: (files("wavemel.reports") / "templates" / name).read_text("utf-8")
        ),
    )
    environment.filters["inline"] = lambda svg: Markup(themed(svg))  # our own drawing
    environment.filters["kind"] = _kind
    return environment.get_template("report.html.j2").render(document=document)


def _kind(part: Part) -> str:
    kinds: dict[type, str] = {
        Table: "table",
        Charts: "charts",
        Bullets: "bullets",
        Commands: "commands",
    }
    return kinds.get(type(part), "text")
