"""What mlops_helpers.assignment promises."""

import itertools
import json
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from pandas.util import hash_array
from scipy import stats

from mlops_helpers.assignment import Experiment, Holdout

PLAN = Experiment("champion-2-against-1")
UNITS = [f"loan-{i}" for i in range(20_000)]
THREE = {"arms": ("control", "b", "c"), "split": (0.4, 0.4, 0.2)}
FOUR = {"arms": ("control", "b", "c", "d"), "split": (0.25, 0.25, 0.25, 0.25)}

# SipHash-2-4 of the bytes 00 01 02 … (0 to 15 of them), key 00 … 0f: `vectors_sip64` in vectors.h
# of the authors' reference implementation; the last is also in the appendix of the paper.
OFFICIAL = (
    "310e0edd47db6f72fd67dc93c539f8745a4fa9d909806c0d2d7efbd796666785"
    "b7877127e09427cf8da699cd64557618cee3fe586e46c9cb37d1018bf50002ab"
    "6224939a79f5f593b0e4a90bdf82009ef3b9dd94c5bb5d7aa7ad6b22462fb3f4"
    "fbe50e86bc8f1e75903d84c02756ea14eef27a8e90ca23f7e545be4961ca29a1"
)


def siphash(message: bytes, key: bytes) -> int:
    """SipHash-2-4 as section 2 of Aumasson and Bernstein (2012) describes it, byte by byte."""
    whole = 2**64 - 1
    k0, k1 = (int.from_bytes(key[at : at + 8], "little") for at in (0, 8))
    v = [
        k0 ^ 0x736F6D6570736575,
        k1 ^ 0x646F72616E646F6D,
        k0 ^ 0x6C7967656E657261,
        k1 ^ 0x7465646279746573,
    ]

    def turn(x: int, by: int) -> int:
        return (x << by | x >> (64 - by)) & whole

    def rounds(n: int) -> None:
        for _ in range(n):
            v[0] = (v[0] + v[1]) & whole
            v[2] = (v[2] + v[3]) & whole
            v[1], v[3] = turn(v[1], 13) ^ v[0], turn(v[3], 16) ^ v[2]
            v[0] = turn(v[0], 32)
            v[2] = (v[2] + v[1]) & whole
            v[0] = (v[0] + v[3]) & whole
            v[1], v[3] = turn(v[1], 17) ^ v[2], turn(v[3], 21) ^ v[0]
            v[2] = turn(v[2], 32)

    padded = message + bytes(7 - len(message) % 8) + bytes([len(message) % 256])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def stirred(h: int) -> int:
    """The finalizer of SplitMix64 (Steele et al. 2014), which pandas adds: one to one."""
    whole = 2**64 - 1
    h = (h ^ h >> 30) * 0xBF58476D1CE4E5B9 & whole
    h = (h ^ h >> 27) * 0x94D049BB133111EB & whole
    return h ^ h >> 31


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({"name": " "}, "name is ' '"),
        ({"name": "a\0b"}, "character zero"),
        ({"salt": 7}, "salt is 7"),
        ({"arms": ("control",), "split": (1.0,)}, "arms is"),
        ({"arms": ("a", "a")}, "different names"),
        ({"split": (0.5, 0.4)}, "sums to 0.9"),
        ({"split": (1.5, -0.5)}, "above 0"),
        ({"split": (0.2, 0.3, 0.5)}, "3 shares for 2 arms"),
        ({"split": (float("nan"), 0.5)}, "sums to nan"),
        ({"cutoff": 18}, "cutoff is 18"),
        ({"ramp": 0}, "ramp is 0, .* Pause"),
        ({"ramp": 1.01}, "ramp is 1.01"),
        ({"ramp": float("nan")}, "ramp is nan"),
        ({"name": "\ud800"}, r"name is '.ud800', .* UTF-8"),
        ({"name": "é" * 501}, "of 1002 bytes, must have at most 1000"),
        ({"salt": "\ud800"}, r"salt is '.ud800', .* UTF-8"),
        ({"arms": None}, "arms is None"),
        ({"arms": "ab"}, "arms is 'ab'"),
        ({"arms": (1, 2)}, r"arms is \(1, 2\), .* texts"),
        ({"arms": ("a", " ")}, "not blank"),
        ({"arms": ("a", "b\0")}, "without the character zero"),
        ({"arms": ("a", "\ud800")}, "that UTF-8 can write"),
        ({"arms": (["a"], ["b"])}, "arms is"),
        ({"split": None}, "split is None, must be a number for each arm"),
        ({"split": 0.5}, "split is 0.5"),
        ({"split": {"a": 0.5, "b": 0.5}}, "split is {'a'"),
        ({"split": ("0.5", "0.5")}, "split is .'0.5'"),
        ({"split": (Decimal("0.5"),) * 2}, "split is .Decimal"),
        ({"split": (True, True)}, "split is .True"),
        ({"cutoff": None}, "cutoff is None, must be a number"),
        ({"cutoff": "0.1"}, "cutoff is '0.1'"),
        ({"cutoff": Decimal("0.1")}, "cutoff is Decimal"),
        ({"ramp": None}, "ramp is None, must be a number"),
        ({"ramp": "x"}, "ramp is 'x'"),
        ({"ramp": True}, "ramp is True"),
    ],
)
def test_impossible_plans_are_refused(plan, said):
    """A plan names the value that it refuses."""
    with pytest.raises(ValueError, match=said):
        Experiment(**{"name": "x", **plan})


@pytest.mark.parametrize(
    "numbers", [(0.5, 0.25), [0.5, 0.25], np.array([0.5, 0.25]), (Fraction(1, 2), np.float32(0.25))]
)
def test_numbers_of_every_kind_make_the_same_plan(numbers):
    """It can be compared, assigned by and stored, whatever its numbers came in."""
    first, second = numbers
    plan = Experiment(
        "x", arms=["a", "b", "c"], split=[*numbers, second], cutoff=first, ramp=second
    )
    assert plan == Experiment("x", ("a", "b", "c"), (0.5, 0.25, 0.25), cutoff=0.5, ramp=0.25)
    assert json.loads(json.dumps(plan.to_dict())) == plan.to_dict()
    same = Experiment("x", arms=("a", "b"), split=np.array([0.5, 0.5]))
    assert same == Experiment("x", arms=("a", "b"))
    assert hash(same) == hash(Experiment("x", arms=("a", "b")))


@pytest.mark.parametrize("share", [0, 1, -0.1, float("nan"), None, "0.1", True, Decimal("0.1")])
def test_a_holdout_of_nobody_or_of_everybody_is_refused(share):
    """A holdout names its share."""
    with pytest.raises(ValueError, match="share is"):
        Holdout("x", share)


def test_the_hash_is_siphash():
    """The one written here gives the authors' own test vectors, and pandas gives those, stirred."""
    key = bytes(range(16))
    found = [siphash(bytes(range(n)), key) for n in range(16)]
    assert "".join(h.to_bytes(8, "little").hex() for h in found) == OFFICIAL
    messages = np.array([bytes(range(n)).decode() for n in range(16)], dtype=object)
    hashed = hash_array(messages, hash_key=key.decode(), categorize=False)
    assert hashed.tolist() == [stirred(h) for h in found]


def test_assignment_is_what_its_formula_says():
    """Arms follow from a slow hash and the shares, worked out unit by unit; so do holdouts."""
    key = b"d66aad7fb3b5cb96"  # as told by: printf 'formula\\0001' | b2sum -l 64
    plan = Experiment("formula", salt="1", ramp=0.5, **THREE)
    units = [*UNITS[:300], "naïve-π", "日本", "x" * 300]
    for unit, arm in zip(units, plan.assign(units), strict=True):
        u = stirred(siphash(unit.encode(), key)) / 2**64
        assert arm == ("b" if 0.4 <= u < 0.6 else "c" if 0.8 <= u < 0.9 else "control")


def test_assignment_survives_releases():
    """The arms of these units are written down: a new release must not move anybody."""
    arms = PLAN.assign(UNITS[:24])
    assert "".join(arm[0] for arm in arms) == "tctcttttccttccctcctccttt"
    held = Holdout("quarter", 0.25).holds(UNITS[:24])
    assert "".join("h" if one else "." for one in held) == "..h.....h...h.h........."


def test_assignment_is_sticky():
    """The same unit meets the same arm: in another order, alone, twice in a list."""
    there = dict(zip(UNITS[:500], PLAN.assign(UNITS[:500]), strict=True))
    back = dict(zip(UNITS[499::-1], PLAN.assign(UNITS[499::-1]), strict=True))
    assert there == back
    assert PLAN.assign([UNITS[7]])[0] == there[UNITS[7]]
    assert set(PLAN.assign([UNITS[7]] * 5)) == {there[UNITS[7]]}


@pytest.mark.parametrize("ramp", [0.02, 0.2, 1.0])
@pytest.mark.parametrize(
    "split", [(0.5, 0.5), (0.9, 0.1), (0.2, 0.3, 0.5), (0.4, 0.1, 0.2, 0.05, 0.25)]
)
def test_assignment_follows_the_shares(split, ramp):
    """Counts agree with the shares at each point of the ramp (chi-square over 20,000 units)."""
    arms = tuple("abcde"[: len(split)])
    plan = Experiment("uniform", arms=arms, split=split, ramp=ramp)
    assert sum(plan.shares) == pytest.approx(1)
    assert plan.shares[1:] == pytest.approx([ramp * share for share in split[1:]])
    counts = pd.Series(plan.assign(UNITS)).value_counts()[list(arms)]
    assert stats.chisquare(counts, np.array(plan.shares) * len(UNITS)).pvalue > 1e-3


def test_p_values_of_many_experiments_are_those_of_chance():
    """Over 200 experiments the p-values of the counts are uniform: neither too far nor too near.

    An assignment in turn (1, 2, 1, 2, …) follows the shares too well and fails here.
    """
    plans = [Experiment(f"experiment {number}", **FOUR) for number in range(200)]
    found = []
    for plan in plans:
        counts = pd.Series(plan.assign(UNITS[:2_000])).value_counts()
        found.append(stats.chisquare(counts[list(plan.arms)]).pvalue)
    assert stats.kstest(found, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("units", [UNITS[:3_000], range(3_000)], ids=["texts", "numbers"])
def test_experiments_are_independent(units):
    """Who is where in one experiment says nothing about another, over all 300 pairs of 25.

    The contingency tables' p-values are uniform and none is beyond what 300 allow. Names differ in
    a character, or the salt does. A hash without the experiment's name has p-values of 0.
    """
    names = [Experiment(f"test-{number}", **THREE) for number in range(15)]
    salts = [Experiment("test-0", salt=f"{number}", **THREE) for number in range(10)]
    arms = [plan.assign(units) for plan in [*names, *salts]]
    codes = [pd.Categorical(each, categories=names[0].arms).codes for each in arms]
    found = []
    for one, other in itertools.combinations(codes, 2):
        table = np.bincount(3 * one + other, minlength=9).reshape(3, 3)
        found.append(stats.chi2_contingency(table).pvalue)
    assert min(found) > 0.001 / len(found)
    assert stats.kstest(found, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("arms", [{}, THREE, FOUR], ids=["two", "three", "four"])
@pytest.mark.parametrize("salt", ["", "again"])
def test_a_ramp_moves_nobody_out_of_a_treatment(arms, salt):
    """From 10 to 50 % and on: nobody leaves a treatment, none meets two; all moves are control's.

    Cutting the line anew for each step, which keeps two arms sticky, moves units here with three.
    """
    full = Experiment("ramp", salt=salt, **arms)
    before = full.at(0.1).assign(UNITS)
    for ramp in (0.1, 0.1000001, 0.2, 0.5, 0.75, 1.0):
        after = full.at(ramp).assign(UNITS)
        treated = before != "control"
        assert treated.sum() > 0
        assert (after[treated] == before[treated]).all()
        assert (after != "control").sum() >= treated.sum()
        before = after
    assert full.at(1.0) == full
    assert full.shares == full.split


def test_ten_to_fifty_percent_of_applications():
    """A treatment planned for half of the traffic is met by a tenth at a fifth of its ramp."""
    half = Experiment("ramp")
    assert half.at(0.2).shares == pytest.approx((0.9, 0.1))
    early, late = half.at(0.2).assign(UNITS), half.assign(UNITS)
    assert (early == "treatment").mean() == pytest.approx(0.1, abs=0.01)
    assert (late == "treatment").mean() == pytest.approx(0.5, abs=0.015)
    assert not ((early == "treatment") & (late == "control")).any()


def test_more_treatment_never_sends_anybody_back():
    """With two arms, raising the planned share moves units from control to treatment only."""
    before = Experiment("ramp", split=(0.9, 0.1)).assign(UNITS)
    after = Experiment("ramp", split=(0.5, 0.5)).assign(UNITS)
    assert (after[before == "treatment"] == "treatment").all()


def test_a_holdout_holds_its_share_and_grows():
    """5 % of the units (within chance); 10 % hold all of them; always the same ones."""
    small = Holdout("always champion", 0.05).holds(UNITS)
    large = Holdout("always champion", 0.10).holds(UNITS)
    assert stats.binomtest(int(small.sum()), len(UNITS), 0.05).pvalue > 1e-3
    assert large[small].all()
    assert (Holdout("always champion", 0.05).holds(UNITS[::-1]) == small[::-1]).all()


def test_a_holdout_is_independent_of_every_experiment():
    """Also of one of its own name; the held-out are like the others in 100 experiments."""
    holdout = Holdout("always champion", 0.2)
    held = holdout.holds(UNITS[:5_000])
    plans = [Experiment(f"experiment {number}") for number in range(100)]
    found = []
    for plan in [Experiment(holdout.name), *plans, *(Experiment("x", salt=str(n)) for n in "12")]:
        table = pd.crosstab(held, plan.assign(UNITS[:5_000]))
        found.append(stats.chi2_contingency(table, correction=False).pvalue)
    other = Holdout("another", 0.2).holds(UNITS[:5_000])
    found.append(stats.chi2_contingency(pd.crosstab(held, other), correction=False).pvalue)
    assert min(found) > 0.001 / len(found)
    assert stats.kstest(found, "uniform").pvalue > 1e-3


def test_a_plan_becomes_plain_values():
    """to_dict holds what Experiment takes."""
    values = PLAN.at(0.3).to_dict()
    again = {**values, "arms": tuple(values["arms"]), "split": tuple(values["split"])}
    assert Experiment(**again) == PLAN.at(0.3)
