"""Read a notebook's parameters, and refuse what Papermill would let pass in silence.

Papermill exits 0 when a parameter is misspelt, when no cell is tagged ``parameters`` and when a
later cell assigns the parameter again: the notebook then runs with a value that nobody asked for.
Here each of these is a `Refused` that names the notebook, the parameter and the nearest known name.
"""

import ast
import difflib
import json
import re
import symtable
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_helpers.notebook_files import malformed
from mlops_helpers.rebinding import hidden_bindings

TAG = "parameters"


class Refused(Exception):
    """What was asked for cannot be run; nothing has been touched. The message names the mend."""


@dataclass(frozen=True)
class Parameter:
    """One line of the parameters cell: ``name: annotation = default``."""

    name: str
    annotation: str
    default: Any


@dataclass(frozen=True)
class Notebook:
    """A notebook file and its parameters, in the order of its parameters cell."""

    path: Path
    parameters: dict[str, Parameter]

    @property
    def name(self) -> str:
        """File name without its ending, as in ``03_monitoring``."""
        return self.path.stem


def read_notebook(path: Path) -> Notebook:
    """The parameters of the notebook at `path`, checked.

    Raises `Refused` if the file is no notebook, if not exactly one cell is tagged ``parameters``,
    if that cell holds anything but plain values, or if a later cell assigns a parameter again or
    may do so unseen.
    """
    cells = _code_cells(path)
    tagged = [
        number for number, cell in enumerate(cells, 1) if TAG in cell["metadata"].get("tags", [])
    ]
    if len(tagged) != 1:
        found = "no code cell is" if not tagged else f"code cells {tagged} are all"
        raise Refused(
            f"{path.name}: {found} tagged {TAG!r}; exactly one must be, or parameters have no "
            "effect. In JupyterLab: property inspector (the gears) > Cell tags."
        )
    known = _read_cell(_source(cells[tagged[0] - 1]), path)
    for number, cell in enumerate(cells[tagged[0] :], tagged[0] + 1):
        for name in sorted(known.keys() & assigned_names(_source(cell), f"{path.name}, {number}")):
            raise Refused(
                f"{path.name}: parameter {name!r} is assigned again in code cell {number}, so a "
                f"value given for it would be lost. Use another name there. "
                f"Known parameters: {', '.join(known)}."
            )
        for hidden in hidden_bindings(ast.parse(_plain_python(_source(cell), path.name))):
            raise Refused(
                f"{path.name}: `{hidden}` in code cell {number} may assign a parameter again "
                "without saying so. Name what is assigned or imported."
            )
    return Notebook(path, known)


def match_parameters(
    given: Iterable[tuple[str, str]], notebooks: Iterable[Notebook]
) -> dict[str, dict[str, Any]]:
    """For each notebook (by name) the values that it knows, converted to their types.

    Raises `Refused` listing every name that no notebook knows, every value of a wrong type, every
    name that is given two values, and every name that means different things in two notebooks.
    """
    notebooks, given = list(notebooks), list(dict.fromkeys(given))
    values: dict[str, dict[str, Any]] = {notebook.name: {} for notebook in notebooks}
    problems: list[str] = []
    for name, text in given:
        texts = [other for key, other in given if key == name]
        if len(texts) > 1:
            problems.append(f"Parameter {name!r} is given {len(texts)} values: {', '.join(texts)}.")
        knowing = [notebook for notebook in notebooks if name in notebook.parameters]
        if not knowing:
            problems.append(_unknown(name, notebooks))
        meanings = [notebook.parameters[name] for notebook in knowing]
        if any(meaning != meanings[0] for meaning in meanings):
            problems.append(_ambiguous(name, knowing))
        for notebook in knowing:
            try:
                values[notebook.name][name] = convert(text, notebook.parameters[name])
            except ValueError as error:
                problems.append(f"{notebook.path.name}: {error}")
    if problems:
        raise Refused("\n".join(dict.fromkeys(problems)))
    return values


def convert(text: str, parameter: Parameter) -> Any:  # noqa: ANN401 - the type is the parameter's
    """`text` as a value of the parameter's type; raises `ValueError` with name, value and rule."""
    annotation = parameter.annotation.replace(" ", "")
    choices = annotation.split("|") if not annotation.startswith("Literal[") else [annotation]
    if "None" in choices and text in ("None", "none", ""):
        return None
    for choice in choices:
        try:
            return _convert(text, choice)
        except (ValueError, SyntaxError):
            continue
    rule = " or ".join(choice for choice in choices)
    raise ValueError(
        f"parameter {parameter.name!r} == {text!r}, must be {rule} "
        f"(its default is {parameter.default!r})."
    )


def assigned_names(source: str, where: str = "cell") -> set[str]:
    """Global names that running `source` binds or deletes, whatever the syntax."""
    python = _plain_python(source, where)
    names = {name for name, _ in _bound(symtable.symtable(python, where, "exec"))}
    for node in ast.walk(ast.parse(python)):
        names |= _bound_by_call(node, where)
    return names


def _bound(table: symtable.SymbolTable) -> Iterator[tuple[str, str]]:
    """Global names bound in `table` and, by ``global``, in the functions inside it."""
    top = table.get_type() == "module"
    for symbol in table.get_symbols():
        binds = symbol.is_assigned() or symbol.is_imported()
        if binds and (top or symbol.is_declared_global()):
            yield symbol.get_name(), table.get_name()
    for child in table.get_children():
        yield from _bound(child)


def _bound_by_call(node: ast.AST, where: str) -> set[str]:
    """Names bound through ``globals()[...]``, ``globals().update``, ``exec`` and magics."""
    match node:
        case ast.Subscript(
            value=ast.Call(func=ast.Name(id="globals" | "locals" | "vars")),
            slice=ast.Constant(value=str(name)),
            ctx=ast.Store() | ast.Del(),
        ):
            return {name}
        case ast.Call(
            func=ast.Attribute(value=ast.Call(func=ast.Name(id="globals")), attr="update")
        ):
            return {keyword.arg for keyword in node.keywords if keyword.arg}
        case ast.Call(
            func=ast.Attribute(attr="run_cell_magic"),
            args=[ast.Constant(value="capture" | "bash" | "sh" | "script"), ast.Constant(line), _],
        ):
            return set(re.findall(r"[^\W\d]\w*", str(line)))  # %%capture NAME, %%bash --out NAME
        case (
            ast.Call(func=ast.Name(id="exec"), args=[ast.Constant(value=str(source)), *_])
            | ast.Call(
                func=ast.Attribute(attr="run_line_magic" | "run_cell_magic"),
                args=[
                    ast.Constant(value="time" | "timeit" | "capture" | "prun"),
                    *_,
                    ast.Constant(value=str(source)),
                ],
            )
        ):
            try:
                return assigned_names(source, where)
            except Refused:
                return set()  # the text of a magic need not be Python
    return set()


def _plain_python(source: str, where: str) -> str:
    """`source` with IPython's magics written as calls; raises `Refused` if it is not Python."""
    try:
        ast.parse(source)
        return source
    except SyntaxError:
        from IPython.core.inputtransformer2 import TransformerManager

    plain = TransformerManager().transform_cell(source)
    try:
        ast.parse(plain)
    except SyntaxError as error:
        raise Refused(f"{where}: not Python ({error.msg}, line {error.lineno}).") from error
    return plain


def _read_cell(source: str, path: Path) -> dict[str, Parameter]:
    try:
        statements = ast.parse(source).body
    except SyntaxError as error:
        raise Refused(
            f"{path.name}: the parameters cell is not Python ({error.msg}, line {error.lineno})."
        ) from error
    known: dict[str, Parameter] = {}
    for statement in statements:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value) if (
                value
            ):
                kind = ast.unparse(annotation)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                kind = ""
            case _:
                raise Refused(
                    f"{path.name}: the parameters cell may hold lines of the form "
                    f"`name: type = value` only, not `{ast.unparse(statement)}`."
                )
        try:
            default = ast.literal_eval(value)
        except ValueError:
            raise Refused(
                f"{path.name}: parameter {name!r} == {ast.unparse(value)}, must be a plain value: "
                "what is computed here would be computed before the values given are known."
            ) from None
        if name in known:
            raise Refused(f"{path.name}: parameter {name!r} is assigned twice in its cell.")
        known[name] = Parameter(name, kind or type(default).__name__, default)
    return known


def _convert(text: str, kind: str) -> Any:  # noqa: ANN401
    """`text` as a `kind`; raises `ValueError` or `SyntaxError`."""
    if kind == "str":
        return text
    if kind == "int":
        return int(text)
    if kind == "float":
        number = float(text)
        if number - number != 0:  # nan and infinity are no settings
            raise ValueError(text)
        return number
    if kind == "bool":
        return _BOOLS[text.lower()] if text.lower() in _BOOLS else _no(text)
    value = ast.literal_eval(text) if not kind.startswith("Literal[") else text
    if kind.startswith("Literal["):
        choices = ast.literal_eval(f"({kind.removeprefix('Literal[').removesuffix(']')},)")
        return text if text in choices else _no(text)
    container: Mapping[str, type] = {"list": list, "tuple": tuple, "dict": dict, "set": set}
    wanted = container.get(kind.partition("[")[0])
    return value if wanted and isinstance(value, wanted) else _no(text)


_BOOLS = {"true": True, "false": False}


def _no(text: str) -> Any:  # noqa: ANN401
    raise ValueError(text)


def _unknown(name: str, notebooks: list[Notebook]) -> str:
    known = list(dict.fromkeys(name for notebook in notebooks for name in notebook.parameters))
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    places = ", ".join(notebook.name for notebook in notebooks)
    return f"Parameter {name!r} is unknown in {places}.{hint} Known: {', '.join(known)}."


def _ambiguous(name: str, knowing: list[Notebook]) -> str:
    defaults = ", ".join(f"{n.parameters[name].default!r} in {n.name}" for n in knowing)
    return (
        f"Parameter {name!r} means different things (by default {defaults}): name the one notebook "
        f"that is meant, as in `run {knowing[0].name} -p {name} VALUE`."
    )


def _code_cells(path: Path) -> list[dict[str, Any]]:
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        problem = malformed(notebook)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = repr(error)
    if problem:
        raise Refused(f"{path.name} is not a notebook of format 4: {problem}.")
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def _source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])
