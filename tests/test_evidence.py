"""The pictures of a run are drawn from frames, and only from them."""

from __future__ import annotations

import matplotlib.figure
import numpy as np
import pytest

from mlops_helpers.business import CostModel
from mlops_helpers.data import TARGET
from mlops_helpers.evidence import standard_figures, standard_tables
from mlops_helpers.training import fit_and_measure, ready
from tests.loans_on_record import LOGISTIC, small_split


@pytest.fixture(scope="module")
def trained():
    """A fitted pipeline and the scored holdout."""
    split = small_split()
    pipeline, rows = ready(LOGISTIC, split.train, seed=1)
    return fit_and_measure(pipeline, split._replace(train=rows), seed=1, costs=CostModel())


@pytest.fixture(scope="module")
def tables(trained):
    """The tables of every run."""
    return standard_tables(trained.pipeline, trained.scored, seed=1)


@pytest.mark.parametrize("name", standard_figures(seed=1))
def test_a_figure_is_drawn_from_its_frame_alone(name, trained, tables):
    """The frame as it comes back from CSV is all that the drawing needs; its title is a finding."""
    figure = standard_figures(seed=1)[name]
    frame = figure.compute(trained.scored) if figure.compute else tables[name]
    assert len(frame)
    drawn = figure.draw(frame)
    assert isinstance(drawn.figure, matplotlib.figure.Figure)
    assert drawn.get_title() or drawn.get_title(loc="left")


def test_bands_belong_to_the_seed(trained):
    """The same seed draws the same band."""
    first, again, other = (
        standard_figures(seed=seed)["roc"].compute(trained.scored) for seed in (1, 1, 2)
    )
    assert first.equals(again)
    assert not first.equals(other)


def test_the_confusion_is_that_of_the_cutoff(trained):
    """Who is declined: probability at or above the cut-off of the run."""
    frame = standard_figures(seed=1)["confusion"].compute(trained.scored)
    declined = frame.loc[frame["decided"] == "decline", "n"].sum()
    assert declined == (trained.scored["probability"] >= trained.cutoff).sum()


def test_tables_name_groups_and_features(trained, tables):
    """Every feature has an importance; each division of the portfolio holds all rows."""
    assert set(tables) == {"segments", "importance"}
    assert {"feature", "value", "low", "high"} <= set(tables["importance"].columns)
    sizes = tables["segments"].groupby("segment")["n"].sum()
    assert (sizes == len(trained.scored)).all()


def test_importance_is_left_out_where_it_cannot_be_known(trained):
    """A holdout of one class has no AUC to lose; its groups can still be counted."""
    rows = trained.scored.assign(**{TARGET: 0})
    tables = standard_tables(trained.pipeline, rows, seed=1)
    assert set(tables) == {"segments"}
    assert np.isnan(tables["segments"]["auc"]).all()
