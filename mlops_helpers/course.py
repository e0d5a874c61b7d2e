"""Run the notebooks in order, skip what is up to date, stop at a failure, report.

`run` first checks everything that can be checked (notebooks, parameters, loans) and only then
touches `outputs`. It finishes what it can: a failing cell ends the run, what finished before stays
finished, and the next run goes on from there.
"""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mlops_helpers.executing import WORKING, Progress, execute
from mlops_helpers.fingerprints import (
    Facts,
    Failure,
    Memory,
    Run,
    code_digest,
    digest,
    fingerprint,
    read_memory,
    write_memory,
)
from mlops_helpers.pages import write_html
from mlops_helpers.parameters import Notebook, Refused, match_parameters, read_notebook
from mlops_helpers.places import (
    PHASES,
    SIMULATED,
    applications_digest,
    find_applications,
    find_notebook,
    notebooks_folder,
    outputs_folder,
    state_folder,
    write_atomically,
)
from mlops_helpers.preparing import unfinished
from mlops_helpers.report import Row, State, write_report
from mlops_helpers.workspace import read_finished, runs_in_use

COMMON = ("applications", "seed", "outputs")
PICTURE = "dashboard.png"


@dataclass(frozen=True)
class Plan:
    """What a run will do: its notebooks in order, their values, where and on which loans."""

    course: tuple[Notebook, ...]
    chosen: tuple[str, ...]
    values: dict[str, dict[str, Any]]
    applications: str
    seed: int
    outputs: Path
    data: str
    facts: Facts
    facts_key: str

    @property
    def state(self) -> Path:
        """Folder of the phases' state for these loans and this seed."""
        return state_folder(self.applications, self.seed, self.outputs)

    def settings(self, name: str) -> dict[str, Any]:
        """The values of a notebook's own parameters, and the seed."""
        return {"seed": self.seed, **self.values.get(name, {})}


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


def make_plan(
    notebooks: Sequence[str] = (),
    *,
    data: str | None = None,
    outputs: str | None = None,
    parameters: Iterable[tuple[str, str]] = (),
) -> Plan:
    """Check what was asked for; reads files, writes none. Raises `Refused`."""
    given = list(parameters)
    data = _one("applications", "--data", data, given) or SIMULATED
    place = outputs_folder(_one("outputs", "--outputs", outputs, given) or "outputs")
    course = tuple(read_notebook(find_notebook(phase)) for phase in course_names())
    chosen = choose(notebooks, [notebook.name for notebook in course])
    selected = [notebook for notebook in course if notebook.name in chosen]
    values = match_parameters(given, selected)
    for notebook in course:
        missing = [name for name in COMMON if name not in notebook.parameters]
        if missing:
            raise Refused(f"{notebook.path.name} lacks the parameters {', '.join(missing)}.")
    seed = next(
        (own["seed"] for own in values.values() if "seed" in own),
        course[0].parameters["seed"].default,
    )
    applications = find_applications(data)
    facts_key = digest(applications_digest(applications), seed, code_digest())
    facts = read_memory(place).facts.get(facts_key) or read_facts(applications, seed)
    own = {
        name: {key: value for key, value in found.items() if key not in COMMON}
        for name, found in values.items()
    }
    state = state_folder(applications, seed, place)
    first = chosen[0]
    if PHASES.index(first) > 0:
        chosen = (*unfinished(PHASES[PHASES.index(first) - 1], state), *chosen)
    return Plan(
        course=course,
        chosen=tuple(name for name in PHASES if name in _with_gaps(chosen, state)),
        values=own,
        applications=applications,
        seed=seed,
        outputs=place,
        data=applications_digest(applications),
        facts=facts,
        facts_key=facts_key,
    )


def read_facts(applications: str, seed: int) -> Facts:
    """Read and check the loans; raises `Refused` with every broken rule."""
    from mlops_helpers.contracts import ContractError
    from mlops_helpers.data import load_stream

    try:
        stream = load_stream(applications, seed=seed)
    except ContractError as error:
        raise Refused(str(error)) from error
    left_out = {str(reason): int(rows) for reason, rows in stream.left_out.items()}
    return Facts(stream.source, int(stream.rows_read), left_out, bool(stream.simulated))


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
        if fresh and len(self.plan.chosen) == len(self.plan.course):
            self._start_over()
        total = len(self.plan.chosen)
        notebooks = [n for n in self.plan.course if n.name in self.plan.chosen]
        try:
            for position, notebook in enumerate(notebooks, 1):
                if not fresh and self._up_to_date(notebook):
                    self.skipped.append(notebook.name)
                    self.progress.note(f"[{position}/{total}] {notebook.name}  up to date, skipped")
                    continue
                self.progress.begin(position, total, notebook.name)
                done = self._execute(notebook)
                seconds = f"{done.seconds:.1f} s"
                self.progress.end(f"failed at {done.failure}" if done.failure else seconds)
                if done.failure:
                    break
        finally:
            rows = [self._row(notebook) for notebook in self.plan.course]
            self._keep_picture()
            write_report(self.plan.outputs, rows, self.plan.facts)
        return rows

    def _execute(self, notebook: Notebook) -> Run:
        name, plan = notebook.name, self.plan
        mark = self._fingerprint(notebook, plan.settings(name))
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
            fingerprint=mark,
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

    def _fingerprint(self, notebook: Notebook, settings: dict[str, Any]) -> str:
        position = PHASES.index(notebook.name)
        before = read_finished(PHASES[position - 1], self.plan.state) if position else None
        return fingerprint(
            notebook.path,
            parameters=settings,
            data=self.plan.data,
            before=before.token if before else None,
        )

    def _up_to_date(self, notebook: Notebook) -> bool:
        """Whether what the notebook wrote is all there and would come out the same."""
        run = self.memory.runs.get(notebook.name)
        finished = read_finished(notebook.name, self.plan.state)
        if run is None or run.status != "passed" or finished is None or finished.token != run.token:
            return False
        files = [self.plan.outputs / f"{notebook.name}{ending}" for ending in (".ipynb", ".html")]
        chosen = notebook.name in self.plan.chosen
        settings = self.plan.settings(notebook.name) if chosen else run.parameters
        return all(file.is_file() for file in files) and (
            run.fingerprint == self._fingerprint(notebook, settings)
        )

    def _row(self, notebook: Notebook) -> Row:
        run = self.memory.runs.get(notebook.name)
        state: State = "not run"
        if run and (run.status == "failed" or notebook.name in self.ran):
            state = run.status
        elif run:
            state = "up to date" if self._up_to_date(notebook) else "out of date"
        return Row(notebook.path, state, run, now=notebook.name in self.ran)

    def _keep_picture(self) -> None:
        """Bring the last phase's picture to `outputs`; one of other loans does not stay there."""
        finished = read_finished(PHASES[-1], self.plan.state)
        picture = finished.folder / PICTURE if finished else None
        if picture and picture.is_file():
            write_atomically(self.plan.outputs / PICTURE, picture.read_bytes())
        else:
            (self.plan.outputs / PICTURE).unlink(missing_ok=True)

    def _start_over(self) -> None:
        """Forget the state of these loans and this seed, unless an open notebook works on it."""
        busy = list(runs_in_use(self.plan.state)) if self.plan.state.is_dir() else []
        if busy:
            self.progress.note(f"Kept {self.plan.state}: a notebook works on {busy[0].name}.")
        elif self.plan.state.is_dir():
            shutil.rmtree(self.plan.state)


def course_names() -> tuple[str, ...]:
    """The phases that have a notebook; raises `Refused` if one in the middle is missing."""
    folder = notebooks_folder()
    present = [phase for phase in PHASES if (folder / f"{phase}.ipynb").is_file()]
    expected = PHASES[: len(present)] or PHASES
    missing = [phase for phase in expected if phase not in present]
    if missing:
        raise Refused(f"The notebook {missing[0]}.ipynb is missing from {folder}.")
    return tuple(present)


def choose(asked: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """The names meant by `asked` (``03``, ``03_monitoring``, a path), in the course's order."""
    import difflib

    found = set()
    for text in asked:
        name = Path(text).name.removesuffix(".ipynb")
        match = [k for k in known if k == name or k.partition("_")[0] == name]
        if not match:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.3)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise Refused(f"Notebook {text!r} is unknown.{hint} Known: {', '.join(known)}.")
        found.add(match[0])
    return tuple(name for name in known if name in found) if asked else tuple(known)


def _with_gaps(chosen: Sequence[str], state: Path) -> set[str]:
    """`chosen`, and the phases between them that have no finished state yet."""
    first, last = PHASES.index(chosen[0]), PHASES.index(chosen[-1])
    between = PHASES[first : last + 1]
    return {name for name in between if name in chosen or read_finished(name, state) is None}


def _one(name: str, option: str, value: str | None, given: list[tuple[str, str]]) -> str | None:
    """The value of a parameter that has an option of its own; raises `Refused` if they differ."""
    texts = {text for key, text in given if key == name} | ({value} if value else set())
    if len(texts) > 1:
        raise Refused(f"{name} is given twice with different values: {option} and -p {name}.")
    return next(iter(texts), None)
