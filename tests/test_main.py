"""The command line: exit codes, messages without tracebacks, Ctrl-C."""

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlops_helpers import __main__ as command_line
from mlops_helpers.places import PHASES
from tests.tiny import outputs_text, write_course, write_notebook, write_phase

FIRST, SECOND, THIRD = PHASES[:3]


@pytest.fixture(autouse=True)
def notebooks(tmp_path, monkeypatch) -> Path:
    """Three tiny notebooks in a folder with a space in its name; outputs beside them."""
    monkeypatch.setenv("MLOPS_ROOT", str(tmp_path / "a root"))
    monkeypatch.setenv("MLOPS_NOTEBOOKS", str(tmp_path / "a root" / "notebooks"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLOPS_DATABASE_URL", raising=False)
    return write_course(tmp_path / "a root" / "notebooks", 3)


@pytest.fixture
def outputs(tmp_path) -> Path:
    """Where the command writes."""
    return tmp_path / "a root" / "outputs"


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mlops_helpers", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_a_run_reports_its_progress_and_a_second_one_is_quick(outputs):
    """Real loans (simulated) are read once; progress is told in lines; then all is skipped."""
    begun = time.monotonic()
    first = _run("run")
    seconds = time.monotonic() - begun
    assert first.returncode == 0, first.stderr
    report = f"Report: {outputs / 'index.html'}\n"
    assert first.stdout == "3 notebooks: 3 passed.\n" + report
    for number, phase in enumerate(PHASES[:3], 1):
        assert f"[{number}/3] {phase}  starting\n" in first.stderr
    assert "\r" not in first.stderr
    assert "Rows read" in (outputs / "index.html").read_text()

    begun = time.monotonic()
    second = _run("run")
    assert second.stdout == "3 notebooks: 3 up to date.\n" + report
    assert f"[2/3] {SECOND}  up to date, skipped\n" in second.stderr
    assert time.monotonic() - begun < seconds / 2


def test_progress_on_a_terminal_is_one_line_that_moves():
    """On a terminal cells are counted in place."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "mlops_helpers", "run", FIRST]
    with subprocess.Popen(command, stderr=theirs, stdout=subprocess.DEVNULL) as child:
        os.close(theirs)
        text = b""
        while child.poll() is None or b"\n" not in text:
            try:
                text += os.read(ours, 4096)
            except OSError:  # the other side was closed: the program has ended
                break
    os.close(ours)
    assert child.returncode == 0
    assert f"\r\033[K[1/1] {FIRST}  cell 2/".encode() in text
    assert text.count(b"\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["03_monitoring", "-p", "sede", "1"], "Did you mean 'seed'?"),
        (["03_monitoring", "-p", "seed", "abc"], "'seed' == 'abc', must be int"),
        (["3_monitoring"], "Did you mean '03_monitoring'?"),
        (["--data", "nope.csv"], "'nope.csv': no such file"),
        (["--data", ""], "applications == '' is empty"),
        (["-p", "seed", "-3"], "seed == -3, must be a whole number"),
        (["--dta", "nope.csv"], "No such option"),
        (["-p", "seed"], "requires 2 arguments"),
    ],
)
def test_what_cannot_be_run_exits_2(outputs, arguments, message):
    """The message says what and how to mend it; no traceback, nothing written."""
    done = CliRunner().invoke(command_line.main, ["run", *arguments])
    assert done.exit_code == 2
    assert message in done.output
    assert "Traceback" not in done.output
    assert not outputs.exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"application_id,age\n1,2\n", b"PAR1 not parquet", b"\xff\xfe\x00bad", b"a;b\n1;2\n"],
)
def test_bad_loans_exit_2(tmp_path, outputs, content):
    """A file that cannot be used is refused with its name before anything is touched."""
    path = tmp_path / "my loans.csv"
    path.write_bytes(content)
    done = CliRunner().invoke(command_line.main, ["run", "--data", str(path)])
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output
    assert path.name in done.output
    assert not outputs.exists()


def test_a_failing_cell_exits_1(notebooks):
    """Notebook, cell and exception are in the last line."""
    write_phase(notebooks, SECOND, "1 / 0")
    done = _run("run")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last == f"{SECOND}.ipynb, cell [5]: ZeroDivisionError: division by zero"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_stopped_ends_with_a_sentence(number, code, notebooks, outputs, tmp_path):
    """Ctrl-C or SIGTERM: no traceback, no kernel left behind, and the next run goes on."""
    mark = tmp_path / "pid"
    sleeping = f"import os, time, pathlib\npathlib.Path({str(mark)!r}).write_text(str(os.getpid()))"
    write_phase(notebooks, SECOND, f"{sleeping}\ntime.sleep(60)")
    command = [sys.executable, "-m", "mlops_helpers", "run"]
    with subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        # as in a terminal, also where the tests themselves were started behind a shell's `&`
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as child:
        for _ in range(600):
            if mark.exists() and mark.read_text():
                break
            time.sleep(0.1)
        child.send_signal(number)
        told = child.stderr.read()
    assert child.returncode == code
    assert told.strip().endswith("the next run goes on from there.")
    assert "Traceback" not in told
    assert not _alive(int(mark.read_text()))
    assert not list(outputs.glob(".running-*"))
    write_phase(notebooks, SECOND)
    assert _run("run").stdout.startswith("3 notebooks: 1 up to date, 2 passed.\n")


def _alive(pid: int) -> bool:
    for _ in range(50):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.1)
    return True


def test_papermill_alone_prepares_what_it_needs(notebooks, tmp_path, outputs):
    """The field's own command works on a cold machine, with a parameter."""
    target = tmp_path / "out.ipynb"
    papermill = [sys.executable, "-m", "papermill", str(notebooks / f"{THIRD}.ipynb"), str(target)]
    done = subprocess.run(
        [*papermill, "-p", "seed", "7"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert outputs_text(target) == ["3 steps, seed 7\n"]
    assert (outputs / "state").is_dir()


def test_prepare_tells_its_failure_on_stdout(notebooks):
    """The process that began the phase reads there what to raise."""
    write_notebook(notebooks, FIRST, "1 / 0")
    done = _run("prepare", FIRST)
    assert done.returncode == 1
    assert done.stdout.startswith(f"{FIRST}.ipynb, cell [3]: ZeroDivisionError")


def test_store_exits_with_its_problem(notebooks):
    """1 for a failing notebook, 2 for an unknown one; no file is changed."""
    write_phase(notebooks, FIRST, "1 / 0")
    before = (notebooks / f"{FIRST}.ipynb").read_bytes()
    done = _run("store", FIRST)
    assert done.returncode == 1
    assert done.stderr.strip().endswith("division by zero. No notebook was changed.")
    assert (notebooks / f"{FIRST}.ipynb").read_bytes() == before
    assert _run("store", "99").returncode == 2


def test_doctor_exits_1_on_a_problem(monkeypatch, tmp_path):
    """Each line is ok or a problem; one problem is enough."""
    healthy = CliRunner().invoke(command_line.main, ["doctor", "--outputs", str(tmp_path)])
    assert healthy.exit_code == 0
    assert healthy.output.count("ok  ") == 6
    monkeypatch.setattr("mlops_helpers.doctor.PYTHON", (99, 0))
    ill = CliRunner().invoke(command_line.main, ["doctor", "--outputs", str(tmp_path)])
    assert ill.exit_code == 1
    assert "mend: install Python 99.0" in ill.output


def test_without_packages_it_says_how_to_get_them():
    """On a Python without click there is a sentence, not a traceback."""
    code = "import sys; sys.modules['click'] = None; import mlops_helpers.__main__"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().startswith("Packages are missing")
    assert len(done.stderr.strip().splitlines()) == 1
