"""The runner refuses what Papermill would let pass."""

import json

import pytest

from mlops_helpers.parameters import (
    Notebook,
    Parameter,
    Refused,
    assigned_names,
    convert,
    match_parameters,
    read_notebook,
)
from tests.tiny import write_notebook

PHASE = "03_monitoring"

REASSIGNING = [
    "seed = 1",
    "seed += 1",
    "print(seed := 3)",
    "for seed in range(3): pass",
    "with open('x') as seed: pass",
    "def seed(): pass",
    "class seed: pass",
    "import os as seed",
    "from os import path as seed",
    "del seed",
    "a, (b, *seed) = 1, (2, 3)",
    "def f():\n    global seed\n    seed = 2",
    "def f():\n    def g():\n        global seed\n        for seed in (): pass",
    "[(seed := i) for i in range(3)]",
    "try: pass\nexcept OSError as seed: pass",
    "match 1:\n    case [seed]: pass",
    "seed: int = 3",
    "async def f():\n    global seed\n    async with a as seed: pass",
    "await x\nseed = 1",
    "if True:\n    while True:\n        seed = 1",
    "%time seed = 3",
    "%%time\nseed = 3",
    "seed = !ls",
    "globals()['seed'] = 2",
    "globals().update(seed=2)",
    "exec('seed = 1')",
    "%%capture seed\nprint(1)",
    "%%bash --out seed\nls",
]
HARMLESS = [
    "print(seed)",
    "f(seed=1)",
    "table['seed'] = 3",
    "x.seed = 1",
    "[seed for seed in range(3)]",
    "def f(seed):\n    seed = 1",
    "lambda: (seed := 1)",
    "class A:\n    seed = 1",
    "def f():\n    global seed\n    print(seed)",
    "%%bash\nseed=3",
    "seed?",
    "!echo {seed}",
    "exec('not python (')",
]


@pytest.mark.parametrize("source", REASSIGNING)
def test_every_way_to_bind_a_name_is_seen(source):
    """Whatever the syntax, a name that a cell binds globally is found."""
    assert "seed" in assigned_names(source)


@pytest.mark.parametrize("source", HARMLESS)
def test_names_that_stay_inside_are_no_assignment(source):
    """Reading a parameter, or binding its name in an inner scope, is allowed."""
    assert "seed" not in assigned_names(source)


@pytest.mark.parametrize("source", ["seed = 1", "%time seed = 1", "for seed in (): pass"])
def test_a_parameter_assigned_again_is_refused(tmp_path, source):
    """The refusal names the notebook, the parameter and the cell."""
    path = write_notebook(tmp_path, PHASE, "print(seed)", source)
    with pytest.raises(Refused, match=r"03_monitoring.*'seed'.*code cell 3"):
        read_notebook(path)


def test_parameters_are_read_with_annotation_and_default(tmp_path):
    """What comes back is the cell, in its order; a missing annotation is taken from the default."""
    path = write_notebook(tmp_path, PHASE, extra="\nlimit: float = -0.2\nwords = ['a']")
    notebook = read_notebook(path)
    assert notebook.name == PHASE
    assert list(notebook.parameters) == ["applications", "seed", "outputs", "limit", "words"]
    assert notebook.parameters["limit"] == Parameter("limit", "float", -0.2)
    assert notebook.parameters["words"] == Parameter("words", "list", ["a"])


def test_a_notebook_without_the_tag_is_refused(tmp_path):
    """Without the tag a parameter would have no effect: the notebook is named, and where to tag."""
    path = write_notebook(tmp_path, PHASE, parameters=None)
    with pytest.raises(Refused, match=r"03_monitoring.*no code cell is tagged 'parameters'"):
        read_notebook(path)


def test_two_parameters_cells_are_refused(tmp_path):
    """Papermill looks at the first only."""
    path = write_notebook(tmp_path, PHASE, "print(1)")
    content = json.loads(path.read_text())
    content["cells"][-1]["metadata"]["tags"] = ["parameters"]
    path.write_text(json.dumps(content))
    with pytest.raises(Refused, match=r"code cells \[1, 2\] are all tagged"):
        read_notebook(path)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("late: int = seed * 2", "plain value"),
        ("seed: int = 7", "assigned twice"),
        ("print(seed)", "name: type = value"),
        ("x = (", "not Python"),
    ],
)
def test_a_parameters_cell_holds_plain_values_only(tmp_path, line, rule):
    """A value computed there would not follow the values that are given."""
    path = write_notebook(tmp_path, PHASE, extra=f"\n{line}")
    with pytest.raises(Refused, match=rf"(?s)03_monitoring.*{rule}"):
        read_notebook(path)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"cells": 3}', "\0"])
def test_what_is_no_notebook_is_refused(tmp_path, text):
    """A broken file is named, without a traceback of the reader."""
    path = tmp_path / f"{PHASE}.ipynb"
    path.write_text(text)
    with pytest.raises(Refused, match=r"03_monitoring\.ipynb is not a notebook"):
        read_notebook(path)


def test_a_cell_that_is_not_python_is_refused(tmp_path):
    """What cannot be read cannot be checked."""
    path = write_notebook(tmp_path, PHASE, "for for")
    with pytest.raises(Refused, match=r"03_monitoring\.ipynb, 2: not Python"):
        read_notebook(path)


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        ("int", "7", 7),
        ("float", "7", 7.0),
        ("float", "-1e-3", -0.001),
        ("str", "7", "7"),
        ("bool", "true", True),
        ("bool", "False", False),
        ("int | None", "None", None),
        ("int | None", "3", 3),
        ("list[int]", "[1, 2]", [1, 2]),
        ("tuple", "(1, 2)", (1, 2)),
        ("Literal['week', 'month']", "month", "month"),
    ],
)
def test_texts_become_values_of_the_annotated_type(annotation, text, value):
    """A value from the command line arrives as the type that the notebook states."""
    converted = convert(text, Parameter("x", annotation, None))
    assert converted == value
    assert type(converted) is type(value)


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        ("int", "abc"),
        ("int", "7.0"),
        ("int", ""),
        ("int", "None"),
        ("float", "nan"),
        ("float", "inf"),
        ("bool", "1"),
        ("bool", "yes"),
        ("list", "(1, 2)"),
        ("list", "[1"),
        ("Literal['week', 'month']", "day"),
        ("Unheard", "1"),
    ],
)
def test_a_wrong_type_is_refused(annotation, text):
    """Name, value and rule are in the message."""
    with pytest.raises(ValueError, match=r"'x' == .*, must be"):
        convert(text, Parameter("x", annotation, 0))


def _notebooks(tmp_path) -> list[Notebook]:
    paths = [
        write_notebook(tmp_path, "01_experiment_tracking", extra="\nfolds: int = 5"),
        write_notebook(tmp_path, PHASE),
    ]
    return [read_notebook(path) for path in paths]


def test_a_parameter_goes_to_the_notebooks_that_know_it(tmp_path):
    """`seed` reaches both notebooks, `folds` only the one that has it."""
    found = match_parameters([("seed", "7"), ("folds", "3")], _notebooks(tmp_path))
    assert found == {"01_experiment_tracking": {"seed": 7, "folds": 3}, PHASE: {"seed": 7}}


def test_an_unknown_parameter_names_the_nearest_known_one(tmp_path):
    """A misspelt name is refused with what was probably meant, and all problems come at once."""
    with pytest.raises(Refused) as refused:
        match_parameters([("sede", "1"), ("folds", "x")], _notebooks(tmp_path))
    message = str(refused.value)
    assert "'sede' is unknown" in message
    assert "Did you mean 'seed'?" in message
    assert "01_experiment_tracking.ipynb: parameter 'folds' == 'x', must be int" in message
