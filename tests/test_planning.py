"""What cannot be run is refused before anything is written."""

from pathlib import Path

import pytest

from mlops_helpers import planning
from mlops_helpers.course import run
from mlops_helpers.fingerprints import Facts
from mlops_helpers.parameters import Refused
from mlops_helpers.places import PHASES
from mlops_helpers.planning import choose, make_plan
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
    "two answers": ({"data": "a.csv", "parameters": [("applications", "b.csv")]}, "twice"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_run_is_refused_before_anything_is_touched(case, outputs):
    """The message says what is wrong; outputs are as they were, or not there at all."""
    options, message = REFUSALS[case]
    with pytest.raises((Refused, WorkspaceError), match=message):
        run(**options)
    assert not outputs.exists()


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
