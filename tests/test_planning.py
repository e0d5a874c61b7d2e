"""What cannot be run is refused before anything is written."""

from pathlib import Path

import pyarrow
import pytest

from mlops_helpers import planning
from mlops_helpers.course import run
from mlops_helpers.fingerprints import Facts
from mlops_helpers.parameters import Refused
from mlops_helpers.places import PHASES
from mlops_helpers.planning import choose, make_plan, read_facts
from mlops_helpers.workspace import Workspace, WorkspaceError
from tests.tiny import write_course, write_phase

FIRST, SECOND, THIRD = PHASES[:3]


@pytest.fixture(autouse=True)
def _own_place(tmp_path, monkeypatch):
    """Tiny notebooks, outputs of their own, and loans that need no reading."""
    write_course(tmp_path / "notebooks", 2)
    monkeypatch.setenv("MLOPS_ROOT", str(tmp_path))
    monkeypatch.setenv("MLOPS_NOTEBOOKS", str(tmp_path / "notebooks"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLOPS_DATABASE_URL", raising=False)
    monkeypatch.setattr(planning, "read_facts", lambda *_: Facts("tiny loans", 10, {}, False))


@pytest.fixture
def outputs(tmp_path) -> Path:
    """The folder that runs write to."""
    return tmp_path / "outputs"


REFUSALS = {
    "unknown notebook": ({"notebooks": ["03_monitorng"]}, "unknown. Did you mean '02_model_regis"),
    "misspelt parameter": ({"parameters": [("sede", "1")]}, "Did you mean 'seed'"),
    "wrong type": ({"parameters": [("seed", "abc")]}, "'seed' == 'abc', must be int"),
    "missing file": ({"data": "nope.csv"}, "'nope.csv': no such file"),
    "negative seed": ({"parameters": [("seed", "-1")]}, "seed == -1, must be"),
    "huge seed": ({"parameters": [("seed", str(2**32))]}, "must be a whole number from 0 to"),
    "empty data": ({"data": ""}, "applications == '' is empty"),
    "empty parameter": ({"parameters": [("applications", " ")]}, "applications == ' ' is empty"),
    "empty outputs": ({"outputs": ""}, "outputs == '' is empty"),
    "a folder": ({"data": "."}, "'.' is a folder"),
    "two seeds": ({"parameters": [("seed", "7"), ("seed", "8")]}, "'seed' is given 2 values: 7, 8"),
    "two answers": ({"data": "a.csv", "parameters": [("applications", "b.csv")]}, "twice"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_run_is_refused_before_anything_is_touched(case, outputs):
    """The message says what is wrong; outputs are as they were, or not there at all."""
    options, message = REFUSALS[case]
    with pytest.raises((Refused, WorkspaceError), match=message):
        run(**options)
    assert not outputs.exists()


UNFORESEEN = [
    UnicodeDecodeError("utf-8", b"x", 0, 1, "bad start"),
    NotImplementedError("no such type"),
    OverflowError("too large"),
    pyarrow.ArrowException("odd file"),
    KeyError("column"),
    ValueError("odd value"),
]


@pytest.mark.parametrize("error", UNFORESEEN, ids=lambda error: type(error).__name__)
def test_a_file_that_fails_in_an_unforeseen_way_is_named(error, monkeypatch):
    """The refusal names the file and the exception; a failure of the simulation is not hidden."""

    def fail(*_, **__):
        raise error

    monkeypatch.setattr("mlops_helpers.data.load_stream", fail)
    with pytest.raises(Refused, match=rf"loans\.csv.*{type(error).__name__}"):
        read_facts("/my/loans.csv", 42)
    with pytest.raises(type(error)):
        read_facts("simulated", 42)


def test_an_ambiguous_parameter_needs_a_notebook(tmp_path, outputs):
    """`margin` is AUC in one notebook and dollars in another: which one is meant must be said."""
    write_phase(tmp_path / "notebooks", FIRST, extra="\nmargin: float = 0.02")
    write_phase(tmp_path / "notebooks", SECOND, extra="\nmargin: float = 0.12")
    given = [("margin", "0.3")]
    with pytest.raises(Refused, match=rf"'margin' means different.*0\.02 in {FIRST}, 0\.12"):
        run(parameters=given)
    assert not outputs.exists()
    assert make_plan(["02"], parameters=given).values == {SECOND: {"margin": 0.3}}


def test_planning_writes_nothing(outputs, tmp_path):
    """A plan that could be run leaves no trace either."""
    plan = make_plan(parameters=[("seed", "7")])
    assert (plan.seed, plan.chosen, plan.applications) == (7, (FIRST, SECOND), "simulated")
    assert not outputs.exists()


def test_what_is_needed_first_joins_the_plan(tmp_path):
    """Phases without a finished state are put before the ones asked for, and between them."""
    write_phase(tmp_path / "notebooks", THIRD)
    assert make_plan(["03"]).chosen == (FIRST, SECOND, THIRD)
    assert make_plan(["01", "03"]).chosen == (FIRST, SECOND, THIRD)
    Workspace.begin(FIRST).finish()
    assert make_plan(["03"]).chosen == (SECOND, THIRD)


def test_a_name_a_number_and_a_path_mean_the_same_notebook():
    """Whatever is typed, notebooks come in the order of the course."""
    asked = ["notebooks/02_model_registry.ipynb", "01", "02_model_registry"]
    assert choose(asked, PHASES) == (FIRST, SECOND)
    assert choose([], PHASES) == PHASES


def test_data_and_outputs_may_be_given_as_parameters(tmp_path):
    """`-p applications` and `-p outputs` mean the options of the same purpose."""
    loans = tmp_path / "loans.csv"
    loans.write_text("a")
    given = [("applications", str(loans)), ("outputs", str(tmp_path / "there"))]
    plan = make_plan(data=str(loans), parameters=given)
    assert plan.applications == str(loans)
    assert plan.outputs == tmp_path / "there"
