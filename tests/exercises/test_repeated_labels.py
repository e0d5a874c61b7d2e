"""The checks' odd index: labels repeat, and no join by label makes the rows explode."""

import pandas as pd
import pytest

from mlops_helpers.exercises.repeated_labels import repeated_labels


@pytest.mark.parametrize("rows", [0, 1, 2, 7, 1200])
def test_labels_repeat_and_joins_stay_small(rows):
    """Rows and order stay; from two rows on a label repeats; a join is about twice as long."""
    frame = pd.DataFrame({"a": range(rows)})
    odd = repeated_labels(frame)
    assert odd["a"].tolist() == list(range(rows))
    assert list(frame.index) == list(range(rows))
    assert odd.index.is_unique == (rows < 2)
    assert len(odd["a"].loc[odd.index]) <= 2 * rows + 5
