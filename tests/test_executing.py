"""One notebook is executed; how it ended is a record, never an exception."""

import io
import json

from mlops_helpers.executing import Progress, execute
from tests.tiny import outputs_text, write_notebook

PHASE = "03_monitoring"


def test_a_notebook_is_executed_with_its_parameters(tmp_path):
    """Values arrive with their types; cells are counted from one to all of them."""
    source = write_notebook(tmp_path, PHASE, "print(seed + 1)", "")
    target = tmp_path / "out" / f"{PHASE}.ipynb"
    steps = []
    done = execute(source, target, parameters={"seed": 6}, on_cell=lambda *step: steps.append(step))
    assert done.failure is None
    assert done.seconds > 0
    assert outputs_text(target) == ["7\n"]
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_a_failing_cell_is_a_record_and_the_notebook_is_kept(tmp_path, capfd):
    """What ran before the failure is in the file; the kernel's own notices are not shown."""
    source = write_notebook(tmp_path, PHASE, "print('before')", "\nopen('/no/such/file')")
    target = tmp_path / "out" / f"{PHASE}.ipynb"
    failure = execute(source, target, parameters={}).failure
    assert (failure.cell, failure.exception) == (3, "FileNotFoundError")
    assert failure.source == "open('/no/such/file')"
    assert str(failure).startswith("cell [3]: FileNotFoundError: ")
    assert outputs_text(target) == ["before\n"]
    assert capfd.readouterr() == ("", "")


def test_a_kernel_that_dies_tells_its_last_words(tmp_path):
    """What the kernel wrote to its own stderr before it died is part of the message."""
    warning = "[IPKernelApp] WARNING | TCP without encryption"
    cell = f"import os\nos.write(2, b'out of memory\\n{warning}\\n')\nos._exit(1)"
    source = write_notebook(tmp_path, PHASE, cell)
    failure = execute(source, tmp_path / "out" / f"{PHASE}.ipynb", parameters={}).failure
    assert failure.exception == "DeadKernelError"
    assert failure.message.endswith("the kernel's last words: out of memory")


def test_a_notebook_that_does_not_name_its_language_is_executed(tmp_path):
    """The course is in Python, whatever the file's metadata leave out."""
    source = write_notebook(tmp_path, PHASE, "print(seed)")
    content = json.loads(source.read_text())
    content["metadata"] = {}
    source.write_text(json.dumps(content))
    target = tmp_path / "out" / f"{PHASE}.ipynb"
    assert execute(source, target, parameters={"seed": 6}).failure is None
    assert outputs_text(target) == ["6\n"]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_lines_away_from_a_terminal():
    """A log gets whole lines: the start, the end, and now and then a cell between."""
    stream = io.StringIO()
    quiet = Progress(stream, every=3600)
    quiet.begin(1, 2, PHASE)
    quiet.cell(1, 9)
    quiet.end("done")
    assert stream.getvalue() == f"[1/2] {PHASE}  starting\n[1/2] {PHASE}  done\n"
    chatty = Progress(stream, every=0)
    chatty.begin(2, 2, PHASE)
    chatty.cell(4, 9)
    assert f"[2/2] {PHASE}  cell 4/9  0 s\n" in stream.getvalue()


def test_progress_is_one_moving_line_on_a_terminal():
    """Every cell is shown in place; only the end of a notebook starts a new line."""
    stream = _Terminal()
    progress = Progress(stream, every=3600)
    progress.begin(1, 1, PHASE)
    for number in (1, 2):
        progress.cell(number, 2)
    progress.end("done")
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert text.count("\r") == 4
    assert "cell 1/2" in text
    assert text.endswith("done\n")
