"""Run the notebooks in order, skip what is up to date, stop at a failure, report.

`run` first checks everything that can be checked (notebooks, parameters, loans) and only then
touches `outputs`. It finishes what it can: a failing cell ends the run, what finished before stays
finished, and the next run goes on from there.
"""

import shutil
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mlops_helpers.executing import WORKING, Progress, execute
from mlops_helpers.fingerprints import (
    Failure,
    Memory,
    Run,
    digest,
    parts,
    read_memory,
    what_changed,
    write_memory,
)
from mlops_helpers.pages import write_html
from mlops_helpers.parameters import Notebook, Refused
from mlops_helpers.places import PHASES, PICTURE, write_atomically
from mlops_helpers.planning import Plan, make_plan
from mlops_helpers.report import Row, State, write_report
from mlops_helpers.workspace import read_finished, runs_in_use


def run(
    notebooks: Sequence[str] = (),
    *,
    data: str | None = None,
    outputs: str | None = None,
    parameters: Iterable[tuple[str, str]] = (),
    fresh: bool = False,
    progress: Progress | None = None,
) -> list[Row]:
    """Run `notebooks` (all if empty, and what they need first); one row for each of the course.

    Raises `Refused` before anything is touched if what was asked for cannot be run. A failing cell
    does not raise: its row says so.
    """
    progress = progress or Progress()
    plan = make_plan(notebooks, data=data, outputs=outputs, parameters=parameters)
    lock = FileLock(plan.outputs / "run.lock")
    try:
        plan.outputs.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise Refused(
            f"Another run is at work in {plan.outputs}. Wait until it has ended, or give this one "
            "a folder of its own with --outputs."
        ) from None
    except OSError as error:
        raise Refused(f"outputs == {str(plan.outputs)!r} cannot be written: {error}.") from error
    with lock:
        return _Runner(plan, progress).run(fresh=fresh)


class _Runner:
    """One run of a plan, with the outputs folder to itself."""

    def __init__(self, plan: Plan, progress: Progress) -> None:
        self.plan = plan
        self.progress = progress
        memory = read_memory(plan.outputs)
        recent = dict(list(memory.facts.items())[-3:])
        self.memory = Memory(memory.runs, {**recent, plan.facts_key: plan.facts})
        self.skipped: list[str] = []
        self.ran: list[str] = []

    def run(self, *, fresh: bool) -> list[Row]:
        for killed in self.plan.outputs.glob(f"{WORKING}*/"):
            shutil.rmtree(killed, ignore_errors=True)
        old = (
            self._old_state() if fresh and len(self.plan.chosen) == len(self.plan.course) else None
        )
        total = len(self.plan.chosen)
        notebooks = [n for n in self.plan.course if n.name in self.plan.chosen]
        try:
            for position, notebook in enumerate(notebooks, 1):
                reason = "all of it was asked for" if fresh else self._reason(notebook)
                if reason is None:
                    self.skipped.append(notebook.name)
                    self.progress.note(f"[{position}/{total}] {notebook.name}  up to date, skipped")
                    continue
                if notebook.name in self.memory.runs:
                    self.progress.note(f"[{position}/{total}] {notebook.name}  again: {reason}")
                self.progress.begin(position, total, notebook.name)
                done = self._execute(notebook)
                seconds = f"{done.seconds:.1f} s"
                self.progress.end(f"failed at {done.failure}" if done.failure else seconds)
                if done.failure:
                    break
                if old is not None:
                    self._forget(old)
                    old = None
        finally:
            rows = [self._row(notebook) for notebook in self.plan.course]
            self._keep_picture()
            write_report(self.plan.outputs, rows, self.plan.facts)
        return rows

    def _execute(self, notebook: Notebook) -> Run:
        name, plan = notebook.name, self.plan
        marks = self._parts(notebook, plan.settings(name))
        before = read_finished(name, plan.state)
        common = {
            "applications": plan.applications,
            "seed": plan.seed,
            "outputs": str(plan.outputs),
        }
        target = plan.outputs / f"{name}.ipynb"
        done = execute(
            notebook.path,
            target,
            parameters={**common, **plan.settings(name)},
            on_cell=self.progress.cell,
        )
        after = read_finished(name, plan.state)
        failure = done.failure
        if failure is None and (after is None or (before and after.token == before.token)):
            failure = Failure(None, "", "WorkspaceError", "`ws.finish(...)` was never reached")
        if target.exists():
            write_html(target, target.with_suffix(".html"))
        run = Run(
            notebook=name,
            status="failed" if failure else "passed",
            fingerprint=digest(marks),
            parts=marks,
            token=after.token if after else None,
            seconds=done.seconds,
            finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
            parameters=plan.settings(name),
            headlines=after.headlines if after and not failure else {},
            failure=failure,
        )
        self.ran.append(name)
        self.memory = self.memory.with_run(run)
        write_memory(plan.outputs, self.memory)
        return run

    def _parts(self, notebook: Notebook, settings: dict[str, Any]) -> dict[str, str]:
        position = PHASES.index(notebook.name)
        before = read_finished(PHASES[position - 1], self.plan.state) if position else None
        token = before.token if before else None
        return parts(notebook.path, parameters=settings, data=self.plan.data, before=token)

    def _reason(self, notebook: Notebook) -> str | None:
        """Why the notebook must run; None if what it wrote is there and would come out the same."""
        run = self.memory.runs.get(notebook.name)
        if run is None:
            return "it has not run yet"
        if run.status != "passed":
            return "it failed last time"
        chosen = notebook.name in self.plan.chosen
        settings = self.plan.settings(notebook.name) if chosen else run.parameters
        marks = self._parts(notebook, settings)
        if run.fingerprint != digest(marks):
            return what_changed(run.parts, marks) or "what it depends on changed"
        finished = read_finished(notebook.name, self.plan.state)
        if finished is None:
            return "its finished state is gone or incomplete"
        if finished.token != run.token:
            return "the finished state is from an open notebook"
        files = [self.plan.outputs / f"{notebook.name}{ending}" for ending in (".ipynb", ".html")]
        return None if all(file.is_file() for file in files) else "outputs are missing"

    def _row(self, notebook: Notebook) -> Row:
        run = self.memory.runs.get(notebook.name)
        state: State = "not run"
        if run and (run.status == "failed" or notebook.name in self.ran):
            state = run.status
        elif run:
            state = "out of date" if self._reason(notebook) else "up to date"
        return Row(notebook.path, state, run, now=notebook.name in self.ran)

    def _keep_picture(self) -> None:
        """Bring the last phase's picture to `outputs`; one of other loans does not stay there."""
        finished = read_finished(PHASES[-1], self.plan.state)
        picture = finished.folder / PICTURE if finished else None
        if picture and picture.is_file():
            write_atomically(self.plan.outputs / PICTURE, picture.read_bytes())
        else:
            (self.plan.outputs / PICTURE).unlink(missing_ok=True)

    def _old_state(self) -> dict[Path, int] | None:
        """Files of logged models and when they changed; None if an open notebook needs them."""
        state = self.plan.state
        busy = next(runs_in_use(state), None) if state.is_dir() else None
        if busy:
            self.progress.note(f"Kept {state}: a notebook works on {busy.name}.")
            return None
        files = (state / "artifacts").rglob("*")
        return {path: path.stat().st_mtime_ns for path in files if path.is_file()}

    def _forget(self, old: dict[Path, int]) -> None:
        """Remove what was there before this run: only now that its first phase has finished."""
        for phase in PHASES[1:]:
            (self.plan.state / f"{phase}.json").unlink(missing_ok=True)
        for path, changed in old.items():
            if path.is_file() and path.stat().st_mtime_ns == changed:
                path.unlink()
