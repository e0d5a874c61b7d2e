"""The part of a lender's file that the course can work on: the months whose loans are all settled.

A file for `retrain` holds the loans of the last months too, and those are still open. The phases
that it goes on from are made once, from the months before.
"""

from __future__ import annotations

import io
from pathlib import Path

from mlops_helpers.data import load_arriving, load_stream, settled_stream
from mlops_helpers.places import SIMULATED, write_atomically
from mlops_helpers.violations import ContractError

__all__ = ["settled_file"]


def settled_file(applications: str, *, seed: int, folder: Path) -> str:
    """`applications` itself if `load_stream` takes it, else a copy of its settled months.

    The copy is a Parquet file of the course's columns in `folder`, written anew at each call.
    Raises ContractError if a rule is broken, or if the settled months carry no course.
    """
    if applications == SIMULATED:
        return applications
    try:
        load_stream(applications, seed=seed)
    except ContractError:
        # what else is wrong than open loans is refused here again
        stream = settled_stream(load_arriving(applications, seed=seed))
    else:
        return applications
    content = io.BytesIO()
    stream.frame.to_parquet(content, index=False)
    copy = folder / f"{Path(applications).name.partition('.')[0]}.parquet"
    write_atomically(copy, content.getvalue())
    return str(copy)
