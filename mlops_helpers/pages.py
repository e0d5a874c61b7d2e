"""An executed notebook as a page that asks for nothing from the network."""

from pathlib import Path

from mlops_helpers.places import write_atomically

WIDGET = "application/vnd.jupyter.widget-view+json"
# nbconvert's page without the scripts that it would load from content networks.
TEMPLATE = """{% extends "lab/index.html.j2" %}
{% block html_head_js %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
{% block jupyter_widgets %}{% endblock %}
"""


def write_html(notebook: Path, target: Path) -> None:
    """Write `notebook` as one HTML file, pictures included; a widget appears as its text."""
    import nbformat
    from nbconvert import HTMLExporter

    content = nbformat.read(notebook, as_version=4)
    content.metadata.pop("widgets", None)
    for cell in content.cells:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET, None)
    exporter = HTMLExporter(raw_template=TEMPLATE, embed_images=True)
    body, _ = exporter.from_notebook_node(content, {"metadata": {"name": notebook.stem}})
    write_atomically(target, body)
