"""Single requests that arrive at once are answered in one pass.

One application costs a pass over the models nearly as much as a hundred do: most of it is what
pandas and scikit-learn do for any frame, however short. So what arrives during a pass is answered
together by the next one. Nobody waits for company: a request that comes alone goes alone (the
batching of Crankshaw et al., Clipper, NSDI 2017, section 4.3, without its delay).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pandas as pd

from mlops_helpers.application_checks import times_of
from mlops_helpers.routing import Decided, ExperimentRouter

__all__ = ["JointRequests"]


@dataclass(eq=False)
class _Request:
    """What is asked, and what came of it."""

    applications: pd.DataFrame
    times: pd.Series
    answer: Decided | Exception | None = None
    called: threading.Event = field(default_factory=threading.Event)
    """It is answered, or it is its turn to make a pass."""

    @property
    def kind(self) -> tuple[tuple[object, ...], tuple[object, ...]]:
        """Only frames of one kind are joined: else one would get columns or types of another."""
        return tuple(self.applications.columns), tuple(self.applications.dtypes)


class JointRequests:
    """Answers requests of many threads by one router, at most `most` of them in a pass."""

    def __init__(self, router: ExperimentRouter, *, most: int = 256) -> None:
        """Raises `ValueError` if `most` is no whole number above 0."""
        if not isinstance(most, int) or isinstance(most, bool) or most < 1:
            raise ValueError(f"most is {most!r}, must be 1 or more requests in a pass.")
        self._router, self._most = router, most
        self._waiting: list[_Request] = []
        self._queue, self._busy = threading.Lock(), False

    def decide(
        self, applications: pd.DataFrame, *, scored_at: pd.Timestamp | pd.Series | None = None
    ) -> Decided:
        """The answer of `ExperimentRouter.decide`, to this request alone; its errors likewise.

        A pass that one request breaks is taken apart: the others are answered. `faults` are those
        of the whole pass.
        """
        mine = _Request(applications, times_of(applications, scored_at))
        with self._queue:
            self._waiting.append(mine)
            alone, self._busy = not self._busy, True
        if alone:
            mine.called.set()
        try:
            while mine.called.wait():
                mine.called.clear()  # before looking: a call that comes now is not lost
                if mine.answer is not None:
                    break
                self._pass()
        except BaseException:  # interrupted: nobody may wait for this thread
            with self._queue:
                self._waiting = [one for one in self._waiting if one is not mine]
            self._call_next()
            raise
        if isinstance(mine.answer, Exception):
            raise mine.answer
        return mine.answer

    def _pass(self) -> None:
        """Answer those that wait by now, then let the first of those that came since do so."""
        with self._queue:
            taken, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        try:
            for kind in dict.fromkeys(request.kind for request in taken):
                self._together([request for request in taken if request.kind == kind])
        finally:
            with self._queue:
                self._waiting = [one for one in taken if one.answer is None] + self._waiting
            for request in taken:
                if request.answer is not None:
                    request.called.set()
        self._call_next()

    def _call_next(self) -> None:
        with self._queue:
            self._busy = bool(self._waiting)
            if self._busy:
                self._waiting[0].called.set()

    def _together(self, requests: list[_Request]) -> None:
        frames = [request.applications for request in requests]
        times = pd.concat([request.times for request in requests], ignore_index=True)
        try:
            decided = self._router.decide(pd.concat(frames, ignore_index=True), scored_at=times)
        except Exception as error:  # noqa: BLE001 - raised again by whoever asked
            if len(requests) == 1:
                requests[0].answer = error
                return
            for request in requests:
                self._together([request])
            return
        first = 0
        for request in requests:
            rows = decided.predictions.iloc[first : first + len(request.applications)]
            request.answer = Decided(rows.reset_index(drop=True), decided.faults)
            first += len(request.applications)
