"""What a run will do, checked before anything is written: notebooks, parameters, loans."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_helpers.fingerprints import Facts, code_digest, digest, read_memory
from mlops_helpers.parameters import Notebook, Refused, match_parameters, read_notebook
from mlops_helpers.places import (
    PHASES,
    SIMULATED,
    applications_digest,
    check_seed,
    find_applications,
    find_notebook,
    notebooks_folder,
    outputs_folder,
    state_folder,
)
from mlops_helpers.preparing import unfinished
from mlops_helpers.workspace import read_finished

COMMON = ("applications", "seed", "outputs")
UNREADABLE = (
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    NotImplementedError,
    OSError,
)
"""What reading a file that nobody foresaw may raise, beside Arrow's own."""


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
    place = place_of(outputs, given)
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
    check_seed(seed)
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


def place_of(outputs: str | None, parameters: Iterable[tuple[str, str]]) -> Path:
    """The folder that is written to, by ``--outputs`` or ``-p outputs``; raises `Refused`."""
    return outputs_folder(_one("outputs", "--outputs", outputs, list(parameters)) or "outputs")


def read_facts(applications: str, seed: int) -> Facts:
    """Read and check the loans; raises `Refused` with every broken rule, or why reading failed."""
    from pyarrow import ArrowException

    from mlops_helpers.contracts import ContractError
    from mlops_helpers.data import load_stream

    try:
        stream = load_stream(applications, seed=seed)
    except ContractError as error:
        raise Refused(str(error)) from error
    except (*UNREADABLE, ArrowException) as error:
        if applications == SIMULATED:
            raise  # no file is to blame
        raise Refused(
            f"{applications} cannot be read as loans: {type(error).__name__}: {error}. "
            "Save it again as plain CSV (UTF-8) or Parquet."
        ) from error
    left_out = {str(reason): int(rows) for reason, rows in stream.left_out.items()}
    return Facts(stream.source, int(stream.rows_read), left_out, bool(stream.simulated))


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
    """The value of a parameter that has an option of its own; None if it is not given.

    Raises `Refused` if it is empty, or given twice with different values.
    """
    texts = {text for key, text in given if key == name} | ({value} - {None})
    if len(texts) > 1:
        raise Refused(f"{name} is given twice with different values: {option} and -p {name}.")
    text = next(iter(texts), None)
    if text is not None and not text.strip():
        raise Refused(f"{name} == {text!r} is empty: give a path, or leave {option} out.")
    return text
