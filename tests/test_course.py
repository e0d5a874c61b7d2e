"""The runner runs what must run, skips what is up to date, and cannot be fooled."""

import io
import json
import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from mlops_helpers import course, planning
from mlops_helpers.course import run
from mlops_helpers.executing import Progress
from mlops_helpers.fingerprints import Facts, read_memory
from mlops_helpers.parameters import Refused
from mlops_helpers.places import PHASES, state_folder
from mlops_helpers.workspace import Workspace, read_finished
from tests.tiny import outputs_text, write_course, write_notebook, write_phase

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
def notebooks(tmp_path) -> Path:
    """The folder of the tiny notebooks."""
    return tmp_path / "notebooks"


@pytest.fixture
def outputs(tmp_path) -> Path:
    """The folder that runs write to."""
    return tmp_path / "outputs"


def _states(*args, **options) -> dict[str, str]:
    return {row.name: row.state for row in run(*args, **options)}


def _content(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_a_run_writes_everything_and_a_second_one_skips_it(outputs):
    """Executed notebooks, pages and report appear; with nothing changed no notebook is touched."""
    assert _states() == {FIRST: "passed", SECOND: "passed"}
    expected = {f"{name}.{ending}" for name in (FIRST, SECOND) for ending in ("ipynb", "html")}
    found = {path.name for path in outputs.iterdir() if not path.name.startswith(".")}
    assert found == expected | {"index.html", "runs.json", "run.lock", "report.lock", "state"}
    assert outputs_text(outputs / f"{SECOND}.ipynb") == ["2 steps, seed 42\n"]
    assert "Steps: <strong>2</strong>" in (outputs / "index.html").read_text()
    assert "tiny loans" in (outputs / "index.html").read_text()

    before = _content(outputs)
    assert _states() == {FIRST: "up to date", SECOND: "up to date"}
    after = _content(outputs)
    changed = {Path(name).name for name in after if after[name] != before.get(name)}
    assert changed <= {"index.html", "run.lock", "report.lock"}


def test_what_depends_on_a_change_runs_again(notebooks, outputs):
    """A changed cell reruns its notebook and those after it; changed outputs rerun nothing."""
    run()
    path = notebooks / f"{SECOND}.ipynb"
    stored = json.loads(path.read_text())
    stored["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x"}]
    path.write_text(json.dumps(stored))
    assert _states() == {FIRST: "up to date", SECOND: "up to date"}
    write_phase(notebooks, SECOND, "print('more')")
    assert _states() == {FIRST: "up to date", SECOND: "passed"}
    (outputs / f"{FIRST}.html").unlink()
    assert _states() == {FIRST: "passed", SECOND: "passed"}
    assert _states(parameters=[("seed", "7")]) == {FIRST: "passed", SECOND: "passed"}
    assert outputs_text(outputs / f"{SECOND}.ipynb")[0] == "2 steps, seed 7\n"


def test_a_phase_that_ran_elsewhere_makes_what_follows_out_of_date():
    """Somebody ran the first notebook in JupyterLab: its state is new, so both run again."""
    run()
    Workspace.begin(FIRST).finish()
    assert _states() == {FIRST: "passed", SECOND: "passed"}


@pytest.mark.parametrize("lost", ["artifacts", "database"])
def test_a_state_that_is_not_whole_is_not_up_to_date(lost, notebooks):
    """Whoever deletes the logged models or a finished database gets them again."""
    write_phase(notebooks, FIRST, "(ws.artifacts / 'model').write_text('1');")
    run()
    state = state_folder("simulated", 42, "outputs")
    if lost == "artifacts":
        shutil.rmtree(state / "artifacts")
        assert _states() == {FIRST: "passed", SECOND: "passed"}
        assert (state / "artifacts" / "model").is_file()
    else:
        (read_finished(SECOND, state).folder / "course.db").unlink()
        assert _states() == {FIRST: "up to date", SECOND: "passed"}


def test_other_loans_run_everything_again(tmp_path):
    """The content of the file counts, not its name."""
    one, same = tmp_path / "one.csv", tmp_path / "same.csv"
    one.write_text("a\n1\n")
    same.write_text("a\n1\n")
    assert _states([FIRST], data=str(one))[FIRST] == "passed"
    assert _states([FIRST], data=str(same))[FIRST] == "up to date"
    one.write_text("a\n2\n")
    assert _states([FIRST], data=str(one))[FIRST] == "passed"


def test_a_failing_cell_stops_the_run_and_the_next_one_resumes(notebooks, outputs):
    """The row names cell and exception; what finished is kept; after the mend it goes on there."""
    write_phase(notebooks, THIRD)
    write_phase(notebooks, SECOND, "x = 1\n1 / 0")
    rows = {row.name: row for row in run()}
    assert {name: row.state for name, row in rows.items()} == {
        FIRST: "passed",
        SECOND: "failed",
        THIRD: "not run",
    }
    failure = rows[SECOND].run.failure
    assert (failure.cell, failure.exception, failure.source) == (5, "ZeroDivisionError", "x = 1")
    executed = json.loads((outputs / f"{SECOND}.ipynb").read_text())
    failed = [
        cell["execution_count"]
        for cell in executed["cells"]
        if any(output["output_type"] == "error" for output in cell.get("outputs", []))
    ]
    assert failed == [failure.cell], "the number is the one that is shown"
    assert "ZeroDivisionError" in (outputs / f"{SECOND}.html").read_text()
    assert "ZeroDivisionError" in (outputs / "index.html").read_text()
    assert _states()[SECOND] == "failed", "a failure is never up to date"

    write_phase(notebooks, SECOND, "x = 1")
    assert _states() == {FIRST: "up to date", SECOND: "passed", THIRD: "passed"}


@pytest.mark.parametrize(
    ("cell", "exception"),
    [
        ("import os; os._exit(1)", "DeadKernelError"),
        ("raise SystemExit(0)", "WorkspaceError"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)
def test_no_way_to_stop_early_passes(notebooks, cell, exception):
    """A kernel that dies, a quiet exit and an interrupted cell are failures."""
    write_notebook(notebooks, FIRST, cell)
    first = run([FIRST])[0]
    assert first.state == "failed"
    assert first.run.failure.exception == exception


def test_a_notebook_that_does_not_finish_its_phase_fails(notebooks):
    """Cells that all pass are not enough: the phase must have been marked as finished, now."""
    run()
    write_notebook(notebooks, FIRST, "print('nothing')")
    first = run([FIRST])[0]
    assert first.state == "failed"
    assert "ws.finish" in first.run.failure.message


def test_what_a_notebook_needs_is_run_first_and_only_once(notebooks):
    """A cold second phase brings the first; a warm one does not run it again."""
    write_phase(notebooks, THIRD)
    assert _states(["02"]) == {FIRST: "passed", SECOND: "passed", THIRD: "not run"}
    token = read_finished(FIRST, state_folder("simulated", 42, "outputs")).token
    states = _states([f"{THIRD}.ipynb"])
    assert states == {FIRST: "up to date", SECOND: "up to date", THIRD: "passed"}
    assert read_finished(FIRST, state_folder("simulated", 42, "outputs")).token == token


def test_own_parameters_are_not_out_of_date_for_the_others(notebooks):
    """A notebook that ran with a value of its own stays as it is while another one runs."""
    write_phase(notebooks, FIRST, extra="\nfolds: int = 5")
    run(parameters=[("folds", "3")])
    assert _states(["02"]) == {FIRST: "up to date", SECOND: "up to date"}
    assert _states() == {FIRST: "passed", SECOND: "passed"}


def test_fresh_starts_over(outputs):
    """Everything runs again from an empty state."""
    run()
    state = state_folder("simulated", 42, "outputs")
    (state / "artifacts" / "old").write_text("")
    assert _states(fresh=True) == {FIRST: "passed", SECOND: "passed"}
    assert list((state / "artifacts").iterdir()) == []


def test_fresh_loses_nothing_when_the_first_phase_fails(notebooks):
    """What was finished goes only when the first phase has finished anew."""
    run()
    state = state_folder("simulated", 42, "outputs")
    (state / "artifacts" / "old").write_text("")
    kept = {phase: read_finished(phase, state) for phase in (FIRST, SECOND)}
    write_phase(notebooks, FIRST, "1 / 0")
    assert _states(fresh=True)[FIRST] == "failed"
    assert None not in kept.values()
    assert {phase: read_finished(phase, state) for phase in kept} == kept
    assert (state / "artifacts" / "old").is_file()


def test_fresh_keeps_nothing_of_later_phases(notebooks):
    """When the second phase fails, its finished state from before is not taken for this run's."""
    run()
    write_phase(notebooks, SECOND, "1 / 0")
    assert _states(fresh=True) == {FIRST: "passed", SECOND: "failed"}
    assert read_finished(SECOND, state_folder("simulated", 42, "outputs")) is None


def test_a_notebook_that_runs_again_says_why(notebooks, outputs):
    """One phrase before each: the notebook, the phase before, an open notebook, lost files."""

    def told(**options) -> list[str]:
        stream = io.StringIO()
        run(progress=Progress(stream), **options)
        return [
            line.split("  again: ")[1]
            for line in stream.getvalue().splitlines()
            if "again:" in line
        ]

    state = state_folder("simulated", 42, "outputs")
    run([FIRST])
    write_phase(notebooks, FIRST, "print('more')")
    assert told(notebooks=[FIRST]) == ["the notebook changed"]
    Workspace.begin(FIRST).finish()
    assert told() == ["the finished state is from an open notebook"]
    (outputs / f"{SECOND}.html").unlink()
    assert told() == ["outputs are missing"]
    (read_finished(SECOND, state).folder / "course.db").unlink()
    assert told() == ["its finished state is gone or incomplete"]


def test_fresh_leaves_an_open_notebook_its_state():
    """While a notebook works on the state, it is kept."""
    run()
    open_run = Workspace.begin(FIRST)
    assert _states(fresh=True) == {FIRST: "passed", SECOND: "passed"}
    assert open_run.folder.is_dir()


def test_the_dashboards_picture_comes_to_the_report(notebooks, outputs, monkeypatch):
    """The last phase leaves it in its folder; the runner brings it where the page looks."""
    monkeypatch.setattr(course, "PHASES", (FIRST,))
    (notebooks / f"{SECOND}.ipynb").unlink()
    write_phase(notebooks, FIRST, "(ws.folder / 'dashboard.png').write_bytes(b'picture');")
    run()
    assert (outputs / "dashboard.png").read_bytes() == b"picture"
    assert 'src="dashboard.png"' in (outputs / "index.html").read_text()
    write_phase(notebooks, FIRST, "1 / 0")
    run(parameters=[("seed", "7")])
    assert not (outputs / "dashboard.png").exists(), "it shows the loans of another seed"


def _bad_data(*_):
    raise Refused("income: 3 rows are negative")


@pytest.mark.parametrize("case", ["no tag", "assigned again", "lost parameter", "gap", "bad data"])
def test_a_course_that_cannot_be_trusted_is_refused(case, notebooks, outputs, monkeypatch):
    """Every notebook is looked at before the first one runs, and the loans too."""
    run([FIRST])
    before = _content(outputs)
    if case == "no tag":
        write_notebook(notebooks, SECOND, parameters=None)
        message = f"{SECOND}.*tagged"
    elif case == "assigned again":
        write_phase(notebooks, SECOND, "outputs = 'elsewhere'")
        message = f"{SECOND}.*'outputs' is assigned again"
    elif case == "lost parameter":
        write_notebook(notebooks, SECOND, parameters="seed: int = 42")
        message = f"{SECOND}.*lacks the parameters applications, outputs"
    elif case == "gap":
        write_phase(notebooks, PHASES[3])
        message = f"{THIRD}.ipynb is missing"
    else:
        monkeypatch.setattr(planning, "read_facts", _bad_data)
        message = "3 rows are negative"
    with pytest.raises(Refused, match=message):
        run(parameters=[("seed", "3")])
    assert _content(outputs) == before


def test_outputs_that_are_no_folder_are_refused(tmp_path):
    """A file in the place of the folder is named."""
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(Refused, match=r"taken.*cannot be written"):
        run(outputs="taken")
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_second_run_at_once_leaves(outputs):
    """Two runs never write the same folder at the same time."""
    outputs.mkdir()
    with FileLock(outputs / "run.lock"), pytest.raises(Refused, match="Another run is at work"):
        run()
    assert not (outputs / "runs.json").exists()


def test_loans_are_read_once(tmp_path, monkeypatch):
    """The facts of loans that were checked before are remembered by content and code."""
    calls = []

    def count(*args):
        calls.append(args)
        return Facts("tiny", 1, {"too young": 2}, False)

    monkeypatch.setattr(planning, "read_facts", count)
    run([FIRST])
    run([FIRST])
    assert len(calls) == 1
    remembered = read_memory(tmp_path / "outputs").facts
    assert [facts.left_out for facts in remembered.values()] == [{"too young": 2}]


def test_the_environment_is_left_as_it_was(outputs):
    """A run sets nothing that would reach the next one in the same process."""
    before = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    run([FIRST])
    after = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    assert after.pop("JUPYTER_PREFER_ENV_PATH", "1") == "1"
    before.pop("JUPYTER_PREFER_ENV_PATH", None)
    assert after == before
