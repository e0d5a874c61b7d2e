"""What each standing state of scheduled retraining was begun with: a small file in its folder.

The folder of a state is named after the content of the loans, and a lender's file grows. So
``begun.json`` in ``outputs/state/<key>/standing/`` says whose state it is: it is swapped in with
the folder, and nothing else has to be kept for the next month's file to find its own.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from mlops_helpers.places import (
    SIMULATED,
    WorkspaceError,
    check_seed,
    external,
    find_applications,
    outputs_folder,
    project_root,
    write_atomically,
)

__all__ = [
    "BEGUN",
    "STANDING",
    "Begun",
    "find",
    "join",
    "others",
    "read",
    "refuse_unknown",
    "write",
]

STANDING = "standing"
BEGUN = "begun.json"
DATABASES = "*.db"


@dataclass(frozen=True)
class Begun:
    """What a standing state was begun with.

    paths: the lender's file as it was given, absolute, links not followed; more than one if files
    of one content were given. tracking, database: marks of the servers, "" for our own files. With
    both servers set the servers are the state: no paths, and no seed.
    """

    paths: tuple[str, ...]
    seed: int | None
    outputs: str
    tracking: str = ""
    database: str = ""

    @classmethod
    def asked(cls, applications: str, seed: int, outputs: str | Path) -> Begun:
        """What a call asks for; `WorkspaceError` if there are no such loans, or no such seed."""
        seed = check_seed(seed)
        path = _as_given(applications)
        servers = [_mark(external(name)) for name in ("MLFLOW_TRACKING_URI", "MLOPS_DATABASE_URL")]
        place = str(outputs_folder(outputs))
        return cls(() if all(servers) else (path,), None if all(servers) else seed, place, *servers)

    @property
    def mark(self) -> str:
        """Twelve letters for the name of a folder."""
        return _mark(json.dumps(asdict(self)))

    @property
    def label(self) -> str:
        """File and seed in words, for people."""
        if not self.paths:
            return "your servers"
        return f"{' or '.join(Path(path).name for path in self.paths)}, seed {self.seed}"

    def holds(self, other: Begun) -> bool:
        """Is this the state that `other` asks for?"""
        return replace(self, paths=()) == replace(other, paths=()) and (
            set(other.paths) <= set(self.paths)
        )


def write(folder: Path, begun: Begun) -> None:
    """Write into a standing folder, in one step, what it was begun with."""
    write_atomically(folder / BEGUN, json.dumps(asdict(begun), indent=1) + "\n")


def read(folder: Path) -> Begun:
    """What a standing folder was begun with; ValueError or OSError if nobody can say."""
    try:
        known = json.loads((folder / BEGUN).read_text(encoding="utf-8"))
        begun = Begun(**{**known, "paths": tuple(known["paths"])})
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{folder / BEGUN} was not written here: {error!r}") from error
    texts = [*begun.paths, begun.outputs, begun.tracking, begun.database]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{folder / BEGUN} was not written here: {known!r:.200}")
    return begun


def find(asked: Begun) -> Path | None:
    """The standing folder that was begun with this, None if there is none yet.

    Raises `WorkspaceError` if there are two.
    """
    known, _ = _all(asked)
    mine = [folder for folder, begun in known.items() if begun.holds(asked)]
    if len(mine) > 1:
        raise WorkspaceError(
            f"two standing states were begun with {asked.label}: {mine[0]} and {mine[1]}. Move the "
            "one away that retraining must not go on from."
        )
    return mine[0] if mine else None


def refuse_unknown(asked: Begun, *, but: Path) -> None:
    """Refuse to begin a state beside one (other than `but`) of which nobody knows whose it is."""
    _, unknown = _all(asked)
    if lost := [folder for folder in unknown if folder != but]:
        raise WorkspaceError(
            f"{lost[0] / BEGUN} is missing or damaged, so nobody can say whether this standing "
            f"state is that of {asked.label}. Put the file back from a copy, or move the state "
            f"{lost[0].parent} away."
        )


def others(asked: Begun) -> list[str]:
    """Labels of the states of files that were begun here with this seed and these servers."""
    known, _ = _all(asked)
    alike = [
        begun
        for begun in known.values()
        if replace(begun, paths=()) == replace(asked, paths=()) and SIMULATED not in begun.paths
    ]
    return sorted(begun.label for begun in alike)


def join(folder: Path, asked: Begun) -> None:
    """Put on record that a state goes on with this file too, or whose it is if nobody can say.

    Raises `WorkspaceError` if it cannot be written.
    """
    try:
        begun = read(folder)
    except (OSError, ValueError):
        begun = replace(asked, paths=())
    if begun.holds(asked) and begun.paths:
        return
    try:
        write(folder, replace(asked, paths=tuple(dict.fromkeys([*begun.paths, *asked.paths]))))
    except OSError as error:
        raise WorkspaceError(
            f"{folder / BEGUN} cannot be written: {error}, so the next call would not know whose "
            "this standing state is. Free some disk space, or see to it that you may write there."
        ) from error


def _all(asked: Begun) -> tuple[dict[Path, Begun], list[Path]]:
    """The standing folders of these outputs with what they were begun with; and the unknown."""
    known, unknown = {}, []
    for folder in sorted((Path(asked.outputs) / "state").glob(f"*/{STANDING}")):
        try:
            known[folder] = read(folder)
        except (OSError, ValueError):
            if any(folder.glob(DATABASES)):
                unknown.append(folder)
    return known, unknown


def _as_given(applications: str) -> str:
    """The absolute path of the file, links not followed: next month it may lead elsewhere."""
    if find_applications(applications) == SIMULATED:
        return SIMULATED
    given = Path(applications).expanduser()
    places = [root / given for root in (Path.cwd(), project_root())]
    return os.path.normpath(next(place for place in places if place.is_file()))


def _mark(text: str | None) -> str:
    """A mark in place of an address, which may hold a password; "" for none."""
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else ""
