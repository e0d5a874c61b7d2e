"""Requests that arrive at once are answered together, each as if it had come alone."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from mlops_helpers.joint_requests import JointRequests
from mlops_helpers.predictions import PredictionLog
from mlops_helpers.routing import ExperimentRouter
from tests.serving import JANUARY, Stand, arrivals, plan_of, stands

ROWS = arrivals(120)


class Held(Stand):
    """Holds its first pass until it is let go, so that others come meanwhile."""

    def predict_proba(self, X):
        """As a stand-in, once it may."""
        if not self.passes:
            self.started.set()
            assert self.go.wait(30)
        return super().predict_proba(X)


@pytest.fixture
def log(tmp_path):
    """A log in a file."""
    with PredictionLog(f"sqlite:///{tmp_path / 'log.db'}") as log:
        yield log


def held() -> Held:
    """A control whose first pass waits."""
    model = Held(1)
    model.started, model.go = threading.Event(), threading.Event()
    return model


def asked_at_once(router, requests, model, most=256):
    """The first request is in its pass when all others come; what each got or raised."""
    joint = JointRequests(router, most=most)
    with ThreadPoolExecutor(len(requests)) as pool:
        found = [pool.submit(joint.decide, requests[0])]
        assert model.started.wait(30)
        found += [pool.submit(joint.decide, request) for request in requests[1:]]
        while len(joint._waiting) < len(requests) - 1:
            threading.Event().wait(0.001)
        model.go.set()
        return [one.exception() or one.result() for one in found]


def test_those_that_come_during_a_pass_share_the_next(log):
    """Forty requests, two passes; the answers are those of a router asked for each alone."""
    model = held()
    router = ExperimentRouter(log, plan_of(), stands(control=model), status="paused")
    requests = [ROWS.iloc[start : start + 3] for start in range(0, 120, 3)]
    found = asked_at_once(router, requests, model)
    assert model.passes == [3, 117]
    alone = ExperimentRouter(log, plan_of(), stands(), status="paused")
    for request, answer in zip(requests, found, strict=True):
        pd.testing.assert_frame_equal(answer.predictions, alone.decide(request).predictions)
    router.flush()
    assert sorted(log.window()["application_id"]) == sorted(ROWS["application_id"])


def test_a_pass_has_its_limit(log):
    """At most so many requests; the rest share the one after."""
    model = held()
    router = ExperimentRouter(log, plan_of(), stands(control=model), status="paused")
    found = asked_at_once(router, [ROWS.iloc[[row]] for row in range(21)], model, most=8)
    assert model.passes == [1, 8, 8, 4]
    assert [answer.predictions["application_id"].iloc[0] for answer in found] == ROWS[
        "application_id"
    ].head(21).tolist()


def test_a_bad_request_is_its_own_trouble(log):
    """It is told why; those that shared its pass are answered."""
    model = held()
    router = ExperimentRouter(log, plan_of(), stands(control=model), status="paused")
    requests = [ROWS.iloc[[row]] for row in range(6)]
    requests[3] = requests[3].assign(application_id=" ")
    requests[4] = requests[4].drop(columns="loan_amount")
    found = asked_at_once(router, requests, model)
    assert isinstance(found[3], ValueError)
    assert "application_id == ' '" in str(found[3])
    assert "lack the columns ['loan_amount']" in str(found[4])
    assert [len(found[row].predictions) for row in (0, 1, 2, 5)] == [1, 1, 1, 1]
    assert router.unlogged == 4


def test_an_interrupted_pass_leaves_nobody_waiting(log):
    """Whoever asked for it is stopped; the others are answered by the next pass."""
    model = held()
    router = ExperimentRouter(log, plan_of(), stands(control=model), status="paused")
    decide, passes = router.decide, []

    def stopped(applications, **given):
        passes.append(len(applications))
        if len(passes) == 2:
            raise KeyboardInterrupt
        return decide(applications, **given)

    router.decide = stopped
    found = asked_at_once(router, [ROWS.iloc[[row]] for row in range(5)], model)
    assert [type(answer).__name__ for answer in found].count("KeyboardInterrupt") == 1
    assert [type(answer).__name__ for answer in found].count("Decided") == 4
    assert passes == [1, 4, 3]


def test_alone_it_goes_alone(log):
    """No waiting for company; a time may be given instead of the arrival's."""
    router = ExperimentRouter(log, plan_of(), stands())
    joint = JointRequests(router)
    alone = ExperimentRouter(log, plan_of(), stands())
    for start in range(0, 20, 5):
        rows = ROWS.iloc[start : start + 5]
        expected = alone.decide(rows, scored_at=JANUARY)
        found = joint.decide(rows, scored_at=JANUARY)
        pd.testing.assert_frame_equal(found.predictions, expected.predictions)
    assert len(joint.decide(ROWS.head(0)).predictions) == 0


def test_what_cannot_be_is_refused(log):
    """A pass of nobody; an application without a time."""
    router = ExperimentRouter(log, plan_of(), stands())
    with pytest.raises(ValueError, match="most is 0"):
        JointRequests(router, most=0)
    for most in (None, "5", 2.5, True):
        with pytest.raises(ValueError, match=r"most is .*, must be 1 or more"):
            JointRequests(router, most=most)
    with pytest.raises(TypeError, match="applications came as NoneType"):
        JointRequests(router).decide(None)
    with pytest.raises(ValueError, match="lack the column 'applied_at'"):
        JointRequests(router).decide(ROWS.drop(columns="applied_at"))
