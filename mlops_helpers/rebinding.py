"""Code that may bind any name: what a reader of the source cannot follow.

A parameter that is assigned again by name is seen by `parameters.assigned_names`. Here are the ways
that hide the name: star imports, the dictionary of globals, IPython's own doors, some magics.
"""

import ast
from collections.abc import Iterator

READING = {"get", "keys", "items", "values", "copy", "__getitem__", "__contains__"}
SHELL = {"run_line_magic", "run_cell_magic", "system", "getoutput", "getoutput_split"}
"""What may be asked of IPython: the first two are magics, the others are `!command`."""

MAGICS = {"run", "reset", "reset_selective", "xdel", "load", "loadpy", "macro", "pylab", "rerun"}


def hidden_bindings(tree: ast.AST) -> Iterator[str]:
    """Each place in `tree` that may bind a global name which the source does not show."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        told = _hidden(node, parents.get(node), parents)
        if told:
            yield told


def _hidden(node: ast.AST, parent: ast.AST | None, parents: dict[ast.AST, ast.AST]) -> str | None:
    match node:
        case ast.ImportFrom(names=[ast.alias(name="*")], module=module):
            return f"from {module or '.'} import *"
        case ast.alias(name="__main__") if isinstance(parent, ast.Import):
            return "import __main__"
        case ast.Constant(value="__main__") if isinstance(parent, ast.Subscript | ast.Call):
            return ast.unparse(parent)
        case ast.Call(func=ast.Name(id="globals" | "locals" | "vars"), args=[]):
            return None if _only_read(parent) else ast.unparse(_statement(node, parents))
        case ast.Call(func=ast.Name(id="get_ipython")):
            return _through_ipython(parent, parents)
        case ast.Call(func=ast.Name(id="exec" | "eval"), args=[source]) if not isinstance(
            source, ast.Constant
        ):
            return ast.unparse(node)
    return None


def _only_read(parent: ast.AST | None) -> bool:
    """Whether the dictionary of names, used in `parent`, is only looked at."""
    match parent:
        case ast.Subscript(ctx=ast.Load()) | ast.Compare():
            return True
        case ast.Attribute(attr=name):
            return name in READING
        case ast.Call(func=ast.Name(id="len" | "sorted" | "list" | "print")):
            return True
    return False


def _through_ipython(parent: ast.AST | None, parents: dict[ast.AST, ast.AST]) -> str | None:
    """What `get_ipython()`, used in `parent`, may bind; None if nothing."""
    if isinstance(parent, ast.Compare | ast.If | ast.Expr):
        return None
    if not isinstance(parent, ast.Attribute) or parent.attr not in SHELL:
        return ast.unparse(_statement(parent, parents)) if parent else "get_ipython()"
    match parents.get(parent):
        case ast.Call(args=[ast.Constant(value=str(magic)), *rest]) if parent.attr.startswith(
            "run_"
        ):
            line = rest[0].value if rest and isinstance(rest[0], ast.Constant) else ""
            restores = magic == "store" and "-r" in str(line).split()
            return f"%{magic} {line}".strip() if magic in MAGICS or restores else None
        case ast.Call() if not parent.attr.startswith("run_"):
            return None
        case _:
            return ast.unparse(_statement(parent, parents))


def _statement(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> ast.AST:
    """The simple statement that holds `node`, or `node` itself if that one is long."""
    found = node
    while found in parents and not isinstance(found, ast.stmt):
        found = parents[found]
    return found if isinstance(found, ast.Assign | ast.Expr | ast.AugAssign | ast.Delete) else node
