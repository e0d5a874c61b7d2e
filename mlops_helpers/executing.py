"""Execute one notebook with Papermill: progress while it runs, a record of how it ended."""

import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TextIO

from mlops_helpers.fingerprints import Failure
from mlops_helpers.places import write_atomically

WORKING = ".running-"  # a notebook that is being executed lies in a folder named so
Steps = Callable[[int, int], None]  # called with: code cells started so far, all code cells


@dataclass(frozen=True)
class Execution:
    """How an execution ended: seconds it took, and the failure if there was one."""

    seconds: float
    failure: Failure | None


def execute(
    source: Path, target: Path, *, parameters: dict[str, Any], on_cell: Steps | None = None
) -> Execution:
    """Execute the notebook `source` and write it to `target`, also when a cell fails.

    It runs in the folder of `source`, in the kernel of this environment. A failing cell, a kernel
    that dies and a kernel that does not start are reported in the result, not raised.
    """
    begun = time.monotonic()
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
    import papermill
    from papermill.exceptions import PapermillExecutionError

    logging.getLogger("papermill").setLevel(logging.ERROR)
    failure = None
    steps = _Counter(on_cell)
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=WORKING, dir=target.parent) as folder,
        tempfile.TemporaryFile() as notices,
    ):
        working = Path(folder) / target.name
        try:
            papermill.execute_notebook(
                source,
                working,
                parameters=parameters,
                cwd=source.parent,
                progress_bar=False,
                kernel_name="python3",
                language="python",
                kernel_manager_class=_kernel_manager(notices),
                on_notebook_start=steps.start,
                on_cell_execute=steps.step,
            )
        except PapermillExecutionError as error:
            first = next((line for line in error.source.splitlines() if line.strip()), "")
            failure = Failure(error.exec_count, first, error.ename, error.evalue)
        except RuntimeError as error:  # the kernel died, or never answered
            notices.seek(0)
            lines = notices.read().decode(errors="replace").splitlines()
            said = [line for line in lines if line.strip() and "] WARNING" not in line]
            message = " – the kernel's last words: ".join([str(error), *said[-1:]])
            failure = Failure(steps.done or None, "", type(error).__name__, message)
        if working.exists():
            write_atomically(target, working.read_bytes())
    return Execution(time.monotonic() - begun, failure)


def _kernel_manager(notices: IO[bytes]) -> type:
    """A kernel manager whose kernels write their own notices to a file, not into the progress."""
    from jupyter_client.manager import AsyncKernelManager

    class KernelManager(AsyncKernelManager):
        async def start_kernel(self, **options: Any) -> None:  # noqa: ANN401 - as in the base class
            await super().start_kernel(stderr=notices, **options)

    return KernelManager


class Progress:
    """Which notebook, which cell, how long: one moving line on a terminal, plain lines elsewhere.

    Away from a terminal a line is written when a notebook begins or ends and, between, at most
    every `every` seconds.
    """

    def __init__(self, stream: TextIO | None = None, *, every: float = 5.0) -> None:
        """Write to `stream` (stderr if it is None)."""
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self.every = every
        self._prefix = ""
        self._begun = self._last = time.monotonic()

    def begin(self, position: int, total: int, name: str) -> None:
        """A notebook begins: number `position` of `total`."""
        self._prefix = f"[{position}/{total}] {name}"
        self._begun = self._last = time.monotonic()
        self._show(f"{self._prefix}  starting")

    def cell(self, number: int, total: int) -> None:
        """Its cell `number` of `total` begins."""
        now = time.monotonic()
        if self.live or now - self._last >= self.every:
            self._last = now
            self._show(f"{self._prefix}  cell {number}/{total}  {now - self._begun:.0f} s")

    def end(self, text: str) -> None:
        """The notebook ended: `text` says how."""
        self._show(f"{self._prefix}  {text}", last=True)

    def note(self, text: str) -> None:
        """A line of its own."""
        self._show(text, last=True)

    def _show(self, text: str, *, last: bool = False) -> None:
        if self.live:
            self.stream.write(f"\r\033[K{text}" + ("\n" if last else ""))
        else:
            self.stream.write(text + "\n")
        self.stream.flush()


class _Counter:
    """Counts the code cells that started."""

    def __init__(self, on_cell: Steps | None) -> None:
        self.on_cell = on_cell
        self.done = self.total = 0

    def start(self, notebook: Any) -> None:  # noqa: ANN401 - a NotebookNode
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        self.total = sum(bool(cell.source.strip()) for cell in cells)

    def step(self, cell: Any, cell_index: int) -> None:  # noqa: ANN401
        self.done += 1
        if self.on_cell:
            self.on_cell(self.done, self.total)
