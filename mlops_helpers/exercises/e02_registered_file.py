"""Checks of notebook 2, continued: the file that was registered, or another one?"""

from __future__ import annotations

import hashlib
import pickle
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mlops_helpers.exercises.engine import NotAttempted, Wrong, exercise

IsRegistered = Callable[[Path, str | None], bool]
Told = Callable[[Path, str | None, str], bool]

FIRST = "asked about the registered file itself"
LARGE = 8 * 2**20  # bytes of the file that is not to be held in memory

_opened: list[str] = []  # what loading the planted file leaves behind


def _planted(trace: str) -> str:
    """Run by whoever unpickles the planted file."""
    _opened.append(trace)
    return trace


class _Planted:
    """Pickles to a call of `_planted`: harmless here, anything at all in a real attack."""

    def __reduce__(self) -> tuple[Callable[[str], str], tuple[str]]:
        return _planted, ("opened",)


@exercise(
    "2.3",
    title="The file that was registered, or another one?",
    hints=(
        "Nothing of the file needs to be understood: open it in mode 'rb' and look at its bytes.",
        "hashlib.file_digest(file, 'sha256') reads an open file in pieces; .hexdigest() is text.",
        "Which exception do a missing file, a folder and one without permission have in common?",
    ),
)
def is_the_registered_file(answer: IsRegistered) -> str:
    """Only the very bytes are right; nothing is loaded, nothing raises, memory stays small."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        model = folder / "model.skops"
        content = pickle.dumps(np.random.default_rng(0).bytes(300_000))
        digest = _written(model, content)

        def told(path: Path, sha256: str | None, what: str) -> bool:
            return _yes_or_no(answer, path, sha256, what)

        if not told(model, digest, FIRST):
            raise Wrong("the file is the registered one, byte for byte, and it said False")
        for what, other in _altered(content).items():
            _written(model, other)
            if told(model, digest, f"asked about a file that is {what}"):
                raise Wrong(f"a file that is {what} was taken for the registered one")
        _written(model, content)
        for what, sha256 in _not_its_digest(digest).items():
            if told(model, sha256, f"asked with {what}"):
                raise Wrong(f"{what} was taken for the file's digest")
        for what, path in {"there is no file": folder / "gone", "it is a folder": folder}.items():
            if told(path, digest, f"asked about a path where {what}"):
                raise Wrong(f"at the path {what}, and it said True")
        _refuse_loading(told, folder)
        _refuse_hoarding(told, folder)
    return "the bytes decide, before anything of the file is loaded"


def _written(path: Path, content: bytes) -> str:
    """Write the file and return the digest of its content."""
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def _altered(content: bytes) -> dict[str, bytes]:
    """Files that are not the registered one, by how they differ."""
    flipped = bytes([content[-1] ^ 1])
    return {
        "changed in its first byte": bytes([content[0] ^ 1]) + content[1:],
        "changed in its last byte": content[:-1] + flipped,
        "cut short": content[:-1000],
        "empty": b"",
        "longer by one byte": content + b"\0",
    }


def _not_its_digest(digest: str) -> dict[str, str | None]:
    """What must never count as the digest of the file."""
    return {
        "the first half of a digest": digest[:32],
        "an empty text": "",
        "None (registered without a digest)": None,
        "another digest of the same length": digest[::-1],
    }


def _yes_or_no(answer: IsRegistered, path: Path, sha256: str | None, what: str) -> bool:
    """Return the answer as a bool; raise `Wrong` for what is none, or for an exception."""
    try:
        got = answer(path, sha256)
    except NotAttempted as nothing:
        if what == FIRST:  # an untouched stub
            raise
        raise Wrong(f"{what} it answered nothing; it must answer False") from nothing
    except Wrong as failed:
        if what == FIRST:  # raises whatever it is asked: its own words say more
            raise
        raised = type(failed.__cause__).__name__
        raise Wrong(f"{what} it raised {raised}; it must answer True or False") from failed
    if not isinstance(got, bool | np.bool_):
        raise Wrong(f"{what} it returned a {type(got).__name__}, must be True or False")
    return bool(got)


def _refuse_loading(told: Told, folder: Path) -> None:
    """Ask about a file that tells when it is unpickled, with its own digest and with another."""
    hostile = folder / "hostile.pkl"
    digest = _written(hostile, pickle.dumps(_Planted()))
    _opened.clear()
    right = told(hostile, digest, "asked about a file with a trap in it")
    wrong = told(hostile, digest[::-1], "asked about a file with a trap in it")
    if _opened:
        raise Wrong(
            "it loaded the file, and the code that was hidden in it ran; compare the bytes before "
            "anything is loaded"
        )
    if wrong or not right:
        raise Wrong("the digest alone decides, also for a file that is no model")


def _refuse_hoarding(told: Told, folder: Path) -> None:
    """Ask about a large file, and look at how much memory was taken meanwhile."""
    large = folder / "large.skops"
    digest = _written(large, bytes(LARGE))
    already = tracemalloc.is_tracing()
    if not already:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        right = told(large, digest, "asked about a large file")
        taken = tracemalloc.get_traced_memory()[1] - before
    finally:
        if not already:
            tracemalloc.stop()
    if not right:
        raise Wrong("a large file that is the registered one was refused; was it read to its end?")
    if taken > LARGE / 2:
        raise Wrong(
            f"for a file of {LARGE // 2**20} MB it took as much memory; read it in pieces, "
            "a model may be larger than the memory"
        )
