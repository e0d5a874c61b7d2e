"""A page shows the notebook and asks for nothing from the network."""

import nbformat

from mlops_helpers.pages import write_html


def test_pages_ask_nothing_of_the_network(tmp_path):
    """No script at all, no style or picture from elsewhere; a widget appears as its text."""
    new = nbformat.v4
    widget = {
        "text/plain": "IntSlider(value=3)",
        "application/vnd.jupyter.widget-view+json": {"model_id": "m", "version_major": 2},
    }
    cells = [
        new.new_markdown_cell("# Title of the page"),
        new.new_code_cell("slider", outputs=[new.new_output("display_data", data=widget)]),
    ]
    notebook = new.new_notebook(cells=cells)
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    source = tmp_path / "03_monitoring.ipynb"
    nbformat.write(notebook, source)
    target = tmp_path / "03_monitoring.html"
    write_html(source, target)
    text = target.read_text(encoding="utf-8")
    for remote in ('src="http', "src='http", 'rel="stylesheet" href="http', "cdnjs", "unpkg"):
        assert remote not in text
    assert "<script" not in text
    assert "<title>03_monitoring</title>" in text
    assert '<html lang="en">' in text
    assert "Title of the page" in text
    assert "IntSlider(value=3)" in text
