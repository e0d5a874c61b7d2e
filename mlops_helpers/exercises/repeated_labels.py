"""A frame whose index repeats, for the checks that ask whether an answer relies on labels."""

from __future__ import annotations

import numpy as np
import pandas as pd


def repeated_labels(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows in their order; each label stands at two rows, half a frame apart.

    An answer that joins n rows by label gets about 2 n of them. With one label for all it would
    get n * n, and the memory of the machine is the learner's. A frame of an odd number of rows has
    a label three times.
    """
    return frame.set_axis(np.arange(len(frame)) % max(len(frame) // 2, 1))
