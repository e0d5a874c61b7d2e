"""The exercises of notebook 05, proved three ways."""

import builtins
import hashlib
import random

from mlops_helpers.exercises.engine import judge
from mlops_helpers.sample_size import required_sample_size
from tests.exercises.battery import Names, Proof, prove


def given() -> Names:
    """What both exercises find in the kernel."""
    return {"required_sample_size": required_sample_size, "hashlib": hashlib}


def one_arm(effect, sd, per_month, delay_months):
    """Fills one arm only."""
    return required_sample_size(effect, sd=sd) / per_month + delay_months


def no_delay(effect, sd, per_month, delay_months):
    """Forgets the outcomes."""
    return 2 * required_sample_size(effect, sd=sd) / per_month


def neither(effect, sd, per_month, delay_months):
    """Forgets the second arm and the outcomes."""
    return required_sample_size(effect, sd=sd) / per_month


def applications(effect, sd, per_month, delay_months):
    """Gives applications instead of months."""
    return 2 * required_sample_size(effect, sd=sd)


def number(text: str) -> int:
    """A number from a text."""
    return int(hashlib.blake2b(text.encode(), digest_size=8).hexdigest(), 16)


def named(is_treatment):
    """An assignment from a rule that says who is treated."""

    def assign(unit, experiment):
        return "treatment" if is_treatment(unit, experiment) else "control"

    return assign


RNG = random.Random(1)

PROOFS = (
    Proof(
        "5.1",
        given,
        wrong={
            "one arm": one_arm,
            "no delay": no_delay,
            "neither": neither,
            "applications": applications,
            "words": lambda effect, sd, per_month, delay_months: "26 months",
        },
    ),
    Proof(
        "5.2",
        given,
        wrong={
            "the unit alone": named(lambda unit, experiment: number(unit) % 2),
            "mirrored": named(
                lambda unit, experiment: (number(unit) + (experiment == "second")) % 2
            ),
            "a fresh coin": named(lambda unit, experiment: RNG.random() < 0.5),
            "a third": named(lambda unit, experiment: number(experiment + unit) % 3 == 0),
            "half of it": named(
                lambda unit, experiment: number(unit + experiment * (number(unit) % 4 == 0)) % 2
            ),
            "Python's own hash": named(lambda unit, experiment: hash(unit + experiment) % 2),
            "a number": lambda unit, experiment: number(experiment + unit) % 2,
            "other names": lambda unit, experiment: "AB"[number(experiment + unit) % 2],
        },
    ),
)
test_solution, test_blank, test_wrong_answers = prove(*PROOFS)


def test_salted_hashes_are_found_in_every_disguise_and_stable_ones_pass():
    """A pair of texts or bytes is salted as a text is; hashing a number is stable and allowed."""
    disguised = (
        lambda unit, experiment: hash((unit, experiment)) % 2,
        lambda unit, experiment: hash((1, (experiment, unit))) % 2,
        lambda unit, experiment: hash(f"{unit}{experiment}".encode()) % 2,
    )
    for rule in disguised:
        assert "next start of Python" in judge("5.2", named(rule)).message
    stable = named(lambda unit, experiment: hash(number(f"{experiment}/{unit}")) % 2)
    assert judge("5.2", stable).status == "right"
    assert hash is builtins.hash
    assert hash("a") == "a".__hash__(), "the check leaves Python's own hash as it was"
