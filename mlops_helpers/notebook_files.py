"""What a notebook file must hold before anything else looks into it."""

from typing import Any


def malformed(notebook: dict[str, Any]) -> str | None:
    """What is missing in a notebook of format 4 (parsed JSON), or None.

    What is no mapping of that kind at all raises KeyError, TypeError or AttributeError.
    """
    if notebook["nbformat"] != 4:
        return f"nbformat == {notebook['nbformat']!r}"
    if not isinstance(notebook["metadata"], dict):
        return f"metadata == {notebook['metadata']!r}"
    for number, cell in enumerate(notebook["cells"], 1):
        metadata, source = cell.get("metadata"), cell.get("source")
        if not isinstance(metadata, dict) or not isinstance(metadata.get("tags", []), list):
            return f"cell {number} has no proper metadata"
        lines = [source] if isinstance(source, str) else source
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            return f"cell {number} has no source"
        if not isinstance(cell["cell_type"], str):
            return f"cell {number} has no type"
    return None
