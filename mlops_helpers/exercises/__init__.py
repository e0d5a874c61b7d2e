"""Checks and hints for the exercises in the notebooks.

A learner needs two names::

    from mlops_helpers.exercises import check, hint

    check("3.2", answer)  # right / wrong and why / not attempted yet
    hint("3.2")           # the next hint

Whoever writes an exercise reads `mlops_helpers.exercises.engine`.
"""

from mlops_helpers.exercises.engine import check, hint

__all__ = ["check", "hint"]
