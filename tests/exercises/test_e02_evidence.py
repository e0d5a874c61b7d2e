"""Exercises 2.3 and 2.4 of notebook 2, proved three ways."""

from __future__ import annotations

import hashlib
import pickle
import tracemalloc
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pandas as pd

from mlops_helpers.exercises.engine import judge
from tests.exercises.battery import Proof, prove


def given() -> dict[str, object]:
    """The names that the exercises' cells use."""
    return {"np": np, "pd": pd}


def in_pieces(path, sha256):
    """A right answer, by hand."""
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb") as file:
            while piece := file.read(65_536):
                digest.update(piece)
    except OSError:
        return False
    return digest.hexdigest() == sha256


def all_at_once(path, sha256):
    """Holds the file in memory."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest() == sha256
    except OSError:
        return False


def raises_if_missing(path, sha256):
    """Lets the exception out."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest() == sha256


def forgets_folders(path, sha256):
    """Thinks of a missing file only."""
    try:
        return raises_if_missing(path, sha256)
    except FileNotFoundError:
        return False


def only_a_megabyte(path, sha256):
    """Reads one piece, which is enough for small files."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.sha256(file.read(2**20)).hexdigest() == sha256
    except OSError:
        return False


def prefix_is_enough(path, sha256):
    """Compares as much as there is."""
    try:
        found = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return False
    return bool(sha256) and found.startswith(sha256)


def nothing_to_compare(path, sha256):
    """Without a digest there is nothing to object to."""
    return sha256 is None or in_pieces(path, sha256)


def empty_is_none(path, sha256):
    """An empty digest is taken for "not asked"."""
    return sha256 == "" or in_pieces(path, sha256)


def tries_it_first(path, sha256):
    """Loads the file to see whether it is a model."""
    try:
        pickle.loads(Path(path).read_bytes())
    except Exception:  # noqa: BLE001 - like a learner's
        return False
    return in_pieces(path, sha256)


def another_digest(path, sha256):
    """MD5."""
    return hashlib.md5(Path(path).read_bytes(), usedforsecurity=False).hexdigest() == sha256


def the_digest_itself(path, sha256):
    """Returns what it computed."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def says_nothing(path, sha256):
    """Nothing at all where there is no file."""
    try:
        return raises_if_missing(path, sha256)
    except OSError:
        return None


def groups() -> dict[str, object]:
    """The names that the cell of 2.4 uses besides."""
    figures = {"n": [900, 80], "defaults": [90, 8], "difference": [-0.1, 0.0]}
    table = pd.DataFrame({"group": ["a", "b"], **figures, "standard_error": [0.01, 0.02]})
    return {**given(), "groups": table}


def judged(
    table,
    margin,
    *,
    least=20,
    share=None,
    sides=2,
    sign=1,
    end=1,
    limit=None,
    known=True,
    every=True,
):
    """A right answer with a knob for each mistake."""
    can = table["defaults"] >= least
    if known:
        can &= table["difference"].notna() & table["standard_error"].notna()
    rows = table[can]
    z = NormalDist().inv_cdf(1 - 0.05 / (sides * max(share or len(rows), 1)))
    edge = sign * rows["difference"] + end * z * rows["standard_error"]
    surely = edge < (-margin if limit is None else limit)
    rest = table.loc[~can, "group"] if every else []
    return list(rows.loc[surely, "group"]), list(rest)


def with_(**mistake):
    """An answer with one knob turned."""
    return lambda table, margin: judged(table, margin, **mistake)


def takes_missing_for_worse(table, margin):
    """NaN >= x is false, so not better, so worse."""
    worse, rest = judged(table, margin)
    odd = table["difference"].isna() | table["standard_error"].isna()
    return [*worse, *table.loc[odd, "group"]], rest


def sorts_in_place(table, margin):
    """Sorts the table that it was given."""
    table.sort_values("difference", inplace=True)
    return judged(table, margin)


def silent_if_unjudged(table, margin):
    """Says nothing where nobody can be judged."""
    if (table["defaults"] >= 20).any():
        return judged(table, margin)
    return None


def one_of_five(table, margin):
    """Always flags somebody."""
    worse, rest = judged(table, margin)
    return worse or [table["group"].iloc[0]], rest


PROOFS = (
    Proof(
        "2.3",
        given,
        wrong={
            "all at once": all_at_once,
            "raises if missing": raises_if_missing,
            "forgets folders": forgets_folders,
            "only a megabyte": only_a_megabyte,
            "a prefix is enough": prefix_is_enough,
            "nothing to compare": nothing_to_compare,
            "empty is none": empty_is_none,
            "tries it first": tries_it_first,
            "another digest": another_digest,
            "the digest itself": the_digest_itself,
            "says nothing": says_nothing,
            "always": lambda path, sha256: True,
            "raises": lambda path, sha256: path["no such key"],
        },
    ),
    Proof(
        "2.4",
        groups,
        wrong={
            "no correction": with_(share=1),
            "corrected by all rows": with_(share=12),
            "always eight groups": with_(share=8),
            "one side": with_(sides=1),
            "forgets the margin": with_(limit=0),
            "the better ones": with_(sign=-1),
            "the wrong end": with_(end=-1),
            "the estimate alone": with_(end=0),
            "judges thin ones": with_(least=0),
            "more than 20": with_(least=21),
            "missing is worse": takes_missing_for_worse,
            "missing is judged": with_(known=False),
            "the rest vanishes": with_(every=False),
            "sorts in place": sorts_in_place,
            "always somebody": one_of_five,
            "silent": silent_if_unjudged,
            "one list": lambda table, margin: judged(table, margin)[0],
            "a frame": lambda table, margin: (table, table),
            "rows for names": lambda table, margin: (list(table.index), []),
            "twice": lambda table, margin: (judged(table, margin)[0] * 2, []),
            "raises": lambda table, margin: table["no such column"],
        },
    ),
)
test_solution, test_blank, test_wrong_answers = prove(*PROOFS)


def test_a_planted_file_is_never_loaded_by_the_check_itself():
    """The trap counts loads of the answer only: one that never loads is right."""
    assert judge("2.3", in_pieces).status == "right"
    assert "the code that was hidden in it ran" in judge("2.3", tries_it_first).message


def test_memory_is_measured_beside_another_tracer():
    """Somebody who traces memory meanwhile keeps their trace."""
    tracemalloc.start()
    try:
        assert judge("2.3", in_pieces).status == "right"
        assert judge("2.3", all_at_once).status == "wrong"
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()


def test_a_numpy_bool_is_an_answer():
    """Comparing arrays gives NumPy's kind of True."""
    assert judge("2.3", lambda *asked: np.bool_(in_pieces(*asked))).status == "right"


def test_names_may_come_as_any_sequence():
    """Tuples, arrays and Series of names are lists of names, in any order."""
    for form in (tuple, np.array, pd.Series, lambda names: names[::-1]):
        verdict = judge("2.4", lambda *asked, form=form: tuple(map(form, judged(*asked))))
        assert verdict.status == "right", verdict
