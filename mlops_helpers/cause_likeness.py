"""How much each row of the holdout counts, for it to be like the applicants of the window.

If only who applies has changed, P(default | x) is the same on both sides, and the holdout's rows,
each counted by how much commoner its like has become, behave as the window does: the same default
rate, ranking and calibration. That holds for a model that sees only part of x as well, whose
P(default | score) does change when applicants are selected by the rest. The weight is the odds that
a row is of the window, by a classifier that was fitted on other rows.

Source: H. Shimodaira (2000), Journal of Statistical Planning and Inference 90, 227-244; S. Bickel,
M. Brueckner and T. Scheffer (2009), JMLR 10, 2137-2155 (weights from a classifier).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from mlops_helpers.contracts import CATEGORICAL, FEATURES

__all__ = ["likeness"]

_MOST = 10.0
"""Times the mean weight: no row stands for more, or a handful would speak for all."""


def likeness(holdout: pd.DataFrame, window: pd.DataFrame) -> NDArray[np.float64]:
    """Weights of the holdout's rows, of mean 1; equal frames give equal weights.

    Both frames have the features and "probability". Odd and even rows are weighed by the classifier
    of the other half, or each row would be recognised as its own side's.
    """
    columns = [*FEATURES, "probability"]
    both = pd.concat([holdout[columns], window[columns]], ignore_index=True)
    codes = {name: both[name].astype("category").cat.codes for name in CATEGORICAL}
    seen = both.assign(**codes).to_numpy(np.float64, na_value=np.nan)
    side = np.repeat([0, 1], [len(holdout), len(window)])
    half = np.arange(len(side)) % 2
    odds = np.empty(len(side))
    for part in (0, 1):
        model = HistGradientBoostingClassifier(
            max_iter=60, max_leaf_nodes=8, early_stopping=False, random_state=0
        )
        model.fit(seen[half != part], side[half != part])
        chance = model.predict_proba(seen[half == part])
        odds[half == part] = chance[:, 1] / chance[:, 0]
    weight = odds[: len(holdout)]
    weight = np.minimum(weight / weight.mean(), _MOST)
    return weight / weight.mean()
