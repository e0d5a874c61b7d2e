"""A version serves because a gate let it in, and what served before can come back."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.assignment import Experiment
from mlops_helpers.contracts import FEATURES
from mlops_helpers.experiments import Experiments
from mlops_helpers.gate import Finding, GateVerdict
from mlops_helpers.gate_policy import GatePolicy
from mlops_helpers.predictions import PredictionLog
from mlops_helpers.registry import PromotionRefused, Registry, RegistryError, UnknownModelError
from mlops_helpers.routing import router_for
from tests.loans_on_record import make_record
from tests.serving import JANUARY, plan_of

WHEN = pd.Timestamp("2023-12-01", tz="UTC")
names = (f"model {number}" for number in itertools.count())


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Three finished runs in one store."""
    return make_record(tmp_path_factory.mktemp("registry"))


@pytest.fixture
def registry(record):
    """A registry of its own for each test, in the store they share."""
    return Registry(record.tracking_uri, next(names))


def promote(registry, record, name):
    """Register a run, pass it through the gate, promote it; returns the version."""
    version = registry.register(record.runs[name], when=WHEN)
    registry.promote(version, registry.gate(version, record.split.holdout, when=WHEN), when=WHEN)
    return version


def test_a_run_has_one_version_and_versions_count_up(registry, record):
    """Registering twice gives the same version; another run gets the next number."""
    first = registry.register(record.runs["cautious"])
    assert registry.register(record.runs["cautious"].run_id) == first == 1
    assert registry.register(record.runs["logistic"]) == 2
    assert registry.status()["name"].tolist() == ["cautious", "logistic"]
    assert registry.history()["event"].tolist() == ["registered", "registered"]


def test_a_good_model_passes_every_check_and_is_promoted(registry, record):
    """The table has a row for each check with its evidence; the alias points at the version."""
    version = registry.register(record.runs["logistic"])
    verdict = registry.gate(version, record.split.holdout)
    assert verdict.passed, verdict.checks.to_string()
    assert verdict.checks["evidence"].str.len().gt(0).all()
    registry.promote(version, verdict)
    assert registry.version_of("champion") == version
    assert registry.version_of("previous") is None
    assert registry.status()["gate"].tolist() == ["passed"]


def test_a_model_that_knows_nothing_is_refused_by_name(registry, record):
    """The dummy stays out, the error names the check, the refusal is on record."""
    version = registry.register(record.runs["dummy"])
    verdict = registry.gate(version, record.split.holdout)
    assert "beats the baseline" in verdict.refused_by
    with pytest.raises(PromotionRefused, match="beats the baseline"):
        registry.promote(version, verdict)
    assert registry.version_of("champion") is None
    assert registry.history()["event"].tolist()[-2:] == ["gate refused", "promotion refused"]


def test_a_worse_model_does_not_replace_the_champion(registry, record):
    """The paired comparison with the champion refuses, with its figures in the table."""
    champion = promote(registry, record, "logistic")
    version = registry.register(record.runs["dummy"])
    table = registry.gate(version, record.split.holdout).checks.set_index("check")
    row = table.loc["not worse than the champion"]
    assert not row["passed"]
    assert row["high"] < row["limit"] < 0
    assert registry.version_of("champion") == champion


def test_missing_outcomes_refuse_what_needs_them_and_no_other_check(registry, record):
    """Rows without an outcome prove nothing about skill; the files are as good as before."""
    version = registry.register(record.runs["logistic"])
    refused = registry.gate(version, record.split.holdout.assign(default=np.nan)).refused_by
    assert "beats the baseline" in refused
    assert not {"reproduces its predictions", "file audit", "keeps the contract"} & set(refused)
    promote(registry, record, "cautious")
    assert "not worse than the champion" in (
        registry.gate(version, record.split.holdout.assign(default=np.nan)).refused_by
    )


def test_rows_the_model_was_trained_on_refuse(registry, record):
    """Judging on training rows flatters every model: refused under that check's name."""
    version = registry.register(record.runs["logistic"])
    assert registry.gate(version, record.split.train).refused_by == ["judged on unseen rows"]


def test_checks_of_your_own_are_added_and_a_crash_in_one_refuses(registry, record):
    """An extra check counts like the others; one that crashes refuses and is named."""

    def crash() -> Finding:
        raise KeyError("profit")

    version = registry.register(record.runs["logistic"])
    extra = {"earns money": lambda: Finding(True, "$12 a loan"), "broken": crash}
    verdict = registry.gate(version, record.split.holdout, extra=extra)
    assert verdict.refused_by == ["broken"]
    with pytest.raises(PromotionRefused, match=r"broken \(could not be checked: KeyError"):
        registry.promote(version, verdict)


def test_only_a_fitting_verdict_opens_the_gate(registry, record):
    """No verdict, another version's, an empty one and one reached against another champion fail."""
    first = registry.register(record.runs["cautious"])
    second = registry.register(record.runs["logistic"])
    early = registry.gate(second, record.split.holdout)
    for verdict, words in (
        (None, "NoneType is no verdict"),
        (registry.gate(first, record.split.holdout), "about version 1"),
        (GateVerdict(second, None, ()), "no checks"),
    ):
        with pytest.raises(PromotionRefused, match=words):
            registry.promote(second, verdict)
    promote(registry, record, "cautious")
    with pytest.raises(PromotionRefused, match="run the gate again"):
        registry.promote(second, early)


def test_a_verdict_of_before_a_rollback_does_not_bring_the_model_back(registry, record):
    """The champion's number is the same again after a rollback; the verdict is stale even so."""
    promote(registry, record, "cautious")
    second = registry.register(record.runs["logistic"])
    verdict = registry.gate(second, record.split.holdout)
    registry.promote(second, verdict)
    first = registry.rollback(reason="approvals doubled")
    with pytest.raises(PromotionRefused, match="run the gate again"):
        registry.promote(second, verdict)
    assert registry.version_of("champion") == first
    registry.promote(second, registry.gate(second, record.split.holdout))
    assert registry.version_of("champion") == second


def test_a_verdict_of_another_registry_does_not_open_this_one(registry, record):
    """Version 1 there is not version 1 here, though number and champion (none) agree."""
    other = Registry(record.tracking_uri, next(names))
    version = other.register(record.runs["logistic"])
    assert registry.register(record.runs["cautious"]) == version
    verdict = other.gate(version, record.split.holdout)
    assert verdict.passed
    with pytest.raises(PromotionRefused, match="another registry"):
        registry.promote(version, verdict)


def test_the_gates_own_checks_cannot_be_replaced(registry, record):
    """An extra check with a name of the gate's own raises; nothing is recorded."""
    version = registry.register(record.runs["dummy"])
    with pytest.raises(ValueError, match="beats the baseline"):
        registry.gate(
            version,
            record.split.holdout,
            extra={"beats the baseline": lambda: Finding(True, "trust me")},
        )
    assert registry.history()["event"].tolist() == ["registered"]


def test_the_limits_are_the_policys(registry, record):
    """A policy that asks for more refuses what the standard one lets through."""
    version = registry.register(record.runs["logistic"])
    strict = GatePolicy(max_megabytes=0.001)
    assert registry.gate(version, record.split.holdout).passed
    assert registry.gate(version, record.split.holdout, policy=strict).refused_by == [
        "size and latency"
    ]


def test_a_check_without_a_verdict_replaces_the_verdict_of_before(registry, record):
    """A check that answers nonsense leaves no `passed` of an earlier gate on record."""
    version = registry.register(record.runs["logistic"])
    assert registry.gate(version, record.split.holdout).passed
    extra = {"earns money": lambda: Finding(True, "fine", value="abc")}
    assert registry.gate(version, record.split.holdout, extra=extra).refused_by == ["earns money"]
    assert registry.status()["gate"].tolist() == ["refused: earns money"]
    assert registry.history()["event"].iloc[-1] == "gate refused"


def test_promotion_moves_the_old_champion_aside(registry, record):
    """The champion of before is `previous`, the challenger's alias is used up, one champion."""
    first = promote(registry, record, "cautious")
    second = registry.register(record.runs["logistic"])
    registry.challenge(second, when=WHEN)
    assert registry.version_of("challenger") == second
    assert promote(registry, record, "logistic") == second
    aliases = {a: registry.version_of(a) for a in ("champion", "previous", "challenger")}
    assert aliases == {"champion": second, "previous": first, "challenger": None}
    assert (registry.status()["alias"] == "champion").sum() == 1
    with pytest.raises(RegistryError, match="cannot be its challenger"):
        registry.challenge(second)


def test_promoting_the_champion_again_changes_nothing(registry, record):
    """A repeated run is harmless: `previous` does not become the champion itself."""
    first, second = promote(registry, record, "cautious"), promote(registry, record, "logistic")
    before = registry.history()
    registry.promote(second, registry.gate(second, record.split.holdout))
    assert registry.version_of("previous") == first
    assert len(registry.history()) == len(before) + 1, "only the gate's own event"


def test_rollback_restores_the_version_before_and_says_why(registry, record):
    """The champion of before serves again, with reason, person and the given time on record."""
    first, second = promote(registry, record, "cautious"), promote(registry, record, "logistic")
    later = WHEN + pd.Timedelta(days=5)
    assert registry.rollback(reason="approvals doubled", by="on call", when=later) == first
    assert registry.version_of("champion") == first
    last = registry.history().iloc[-1]
    assert (last["event"], last["version"], last["replaced"]) == ("rolled back", first, second)
    assert (last["reason"], last["by"], last["when"]) == ("approvals doubled", "on call", later)
    with pytest.raises(RegistryError, match="no previous version"):
        registry.rollback(reason="once more")


def test_rollback_wants_a_reason(registry, record):
    """An empty reason is refused and nothing moves."""
    promote(registry, record, "cautious")
    second = promote(registry, record, "logistic")
    with pytest.raises(ValueError, match="reason is empty"):
        registry.rollback(reason="  ")
    assert registry.version_of("champion") == second


def test_load_by_alias_and_by_number_give_the_same_model(registry, record):
    """The champion's probabilities are those of its version, and they are the training run's."""
    version = promote(registry, record, "logistic")
    by_alias, by_number = registry.load("champion"), registry.load(version)
    assert by_alias.version == version
    assert by_alias.name == "logistic"
    assert by_alias.run_id == record.runs["logistic"].run_id
    rows = record.split.holdout
    np.testing.assert_array_equal(
        by_alias.pipeline.predict_proba(rows), by_number.pipeline.predict_proba(rows)
    )


def test_what_does_not_exist_is_answered_with_the_nearest_name(registry, record):
    """Unknown alias, version and run raise UnknownModelError that helps; an unset alias is None."""
    registry.register(record.runs["logistic"])
    assert registry.version_of("champion") is None
    with pytest.raises(UnknownModelError, match="Did you mean 'champion'"):
        registry.load("champoin")
    with pytest.raises(UnknownModelError, match="aliases in use: none"):
        registry.load("champion")
    with pytest.raises(UnknownModelError, match="The nearest is 1"):
        registry.load(7)
    with pytest.raises(UnknownModelError, match="run_id == 'nobody'"):
        registry.register("nobody")
    with pytest.raises(UnknownModelError, match=r"Did you mean .* \(cautious\)"):
        registry.register("cautius")


def test_a_time_without_zone_is_refused_before_anything_moves(registry, record):
    """A naive time would be somebody's local time: refused, and the aliases stay."""
    first = promote(registry, record, "cautious")
    promote(registry, record, "logistic")
    with pytest.raises(ValueError, match="must carry a time zone"):
        registry.rollback(reason="rehearsal", when=pd.Timestamp("2024-01-01"))
    assert registry.version_of("previous") == first


def test_a_verdict_that_the_gate_has_taken_back_does_not_count(registry, record):
    """Judged again and refused: the passed verdict of before opens nothing."""
    version = registry.register(record.runs["logistic"])
    verdict = registry.gate(version, record.split.holdout)
    registry.gate(version, record.split.holdout, policy=GatePolicy(max_megabytes=0.001))
    with pytest.raises(PromotionRefused, match=r"refused it since \(size and latency\)"):
        registry.promote(version, verdict)


def test_a_verdict_made_by_hand_does_not_count(registry, record):
    """A record that says passed is not enough: the gate must have stored it."""
    version = registry.register(record.runs["dummy"])
    forged = GateVerdict(
        version,
        None,
        (("trust me", Finding(True, "fine")),),
        (registry.name, registry.tracking_uri),
    )
    with pytest.raises(PromotionRefused, match="no verdict about it is stored here"):
        registry.promote(version, forged)


def test_the_gates_table_is_stored_with_the_version(registry, record):
    """MLflow's own pages show the word and the table; both follow the last verdict."""
    version = registry.register(record.runs["logistic"])
    verdict = registry.gate(version, record.split.holdout)
    tags = registry._versions.get(version).tags
    assert tags["gate"] == "passed"
    stored = pd.DataFrame(json.loads(tags["gate_checks"]))
    assert stored["check"].tolist() == verdict.checks["check"].tolist()
    assert stored["evidence"].tolist() == verdict.checks["evidence"].tolist()
    registry.gate(version, record.split.holdout, policy=GatePolicy(max_megabytes=0.001))
    assert registry._versions.get(version).tags["gate"] == "refused: size and latency"


def test_an_archived_version_waits_until_it_is_restored(registry, record):
    """It stays loadable, says so, and can neither serve nor challenge."""
    version = registry.register(record.runs["logistic"])
    verdict = registry.gate(version, record.split.holdout)
    registry.challenge(version)
    registry.archive(version, reason="lost its test", by="risk team")
    assert registry.version_of("challenger") is None
    assert registry.status()["archived"].tolist() == [True]
    assert registry.load(version).version == version
    with pytest.raises(PromotionRefused, match="it is archived; restore it"):
        registry.promote(version, verdict)
    with pytest.raises(RegistryError, match=r"is archived\. Restore it first"):
        registry.challenge(version)
    registry.archive(version, reason="again")
    registry.restore(version, reason="a second chance")
    with pytest.raises(PromotionRefused, match="it was restored after the gate judged it"):
        registry.promote(version, verdict)
    registry.promote(version, registry.gate(version, record.split.holdout))
    events = registry.history()["event"].tolist()
    assert (events.count("archived"), events.count("restored")) == (1, 1)


def test_who_has_a_role_is_neither_archived_nor_deleted(registry, record):
    """Champion, previous and challenger stay; the message says how to go on."""
    first, second = promote(registry, record, "cautious"), promote(registry, record, "logistic")
    third = registry.register(record.runs["dummy"])
    registry.challenge(third)
    before = registry.history()
    for version, role in ((first, "previous"), (second, "champion")):
        with pytest.raises(RegistryError, match=f"is {role} and cannot be archived"):
            registry.archive(version, reason="tidy")
    for version, role in ((first, "previous"), (second, "champion"), (third, "challenger")):
        with pytest.raises(RegistryError, match=f"is {role} and cannot be deleted"):
            registry.delete(version, reason="tidy")
    pd.testing.assert_frame_equal(registry.history(), before)


def test_a_deleted_version_stays_in_the_history_and_keeps_its_number(registry, record):
    """All its events are told after it is gone; the same run gets a new number."""
    version = registry.register(record.runs["dummy"], when=WHEN)
    registry.gate(version, record.split.holdout, when=WHEN)
    with pytest.raises(ValueError, match="say why you delete it"):
        registry.delete(version, reason="")
    registry.delete(version, reason="wrong data", by="risk team", when=WHEN)
    with pytest.raises(UnknownModelError, match=f"version == {version}"):
        registry.load(version)
    trail = registry.history()
    assert trail["event"].tolist() == ["registered", "gate refused", "deleted"]
    assert trail["version"].tolist() == [version] * 3
    assert trail["reason"].iloc[-1] == "wrong data"
    assert registry.register(record.runs["dummy"]) == version + 1


@pytest.mark.parametrize(
    "text",
    [
        "two\nlines\tand a tab",
        "Ungewöhnlich – 信用 🙂",
        'it\'s "quoted"',
        "; drop table",
        "x" * 2000,
    ],
)
def test_reasons_are_kept_as_they_are_written(registry, record, text):
    """Newlines, quotes, any script and 2,000 characters come back the same."""
    version = registry.register(record.runs["dummy"])
    registry.challenge(version, reason=text, by=text[:200])
    assert registry.history().iloc[-1][["reason", "by"]].tolist() == [text, text[:200]]


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"reason": "x" * 2001}, r"reason has 2,001 characters, must have at most 2,000\. Keep"),
        ({"by": "x" * 201}, "by has 201 characters, must have at most 200"),
        ({"by": None}, "by is a NoneType, must be text"),
        ({"reason": "half \ud83d"}, "reason holds half a character at 5"),
    ],
)
def test_a_text_that_cannot_be_kept_is_refused(registry, record, told, words):
    """Too long, no text and half a character: named, before anything moves."""
    version = registry.register(record.runs["dummy"])
    with pytest.raises(ValueError, match=words):
        registry.challenge(version, **told)
    assert registry.version_of("challenger") is None


def test_a_number_in_quotes_is_explained(registry):
    """load('1') is a slip that deserves its own hint."""
    with pytest.raises(UnknownModelError, match="A version is a number without quotes"):
        registry.load("1")


def test_the_history_is_an_audit_trail_in_order(registry, record):
    """Every change is there once, oldest first, with aware times."""
    promote(registry, record, "cautious")
    promote(registry, record, "logistic")
    registry.rollback(reason="rehearsal", when=WHEN)
    trail = registry.history()
    assert trail["event"].tolist() == [
        *["registered", "gate passed", "promoted"] * 2,
        "rolled back",
    ]
    assert trail["replaced"].dropna().tolist() == [1, 2]
    assert str(trail["when"].dtype) == "datetime64[us, UTC]"


def test_an_empty_registry_has_empty_tables(record):
    """Nothing registered yet: history and status are empty frames with their columns."""
    registry = Registry(record.tracking_uri, next(names))
    assert registry.history().empty
    assert registry.status().empty
    assert "auc" in registry.status().columns


def test_an_experiment_is_served_by_its_versions(registry, record, tmp_path):
    """A router asks the registry for each arm's version once, and each answers its arm."""
    first, second = (registry.register(record.runs[name]) for name in ("cautious", "logistic"))
    versions = {"control": first, "treatment": second}
    plan = plan_of(experiment=Experiment("served", cutoff=0.2), versions=versions)
    rows = record.split.holdout.head(60)
    with PredictionLog(f"sqlite:///{tmp_path / 'log.db'}") as log:
        Experiments(log).draft(plan, JANUARY)
        Experiments(log).start("served", JANUARY, available=versions.values())
        with router_for(registry, log, "served") as router:
            found = router.decide(rows, scored_at=JANUARY).predictions
        assert len(log.window(experiment="served")) == 60
    for arm, version in versions.items():
        mine = (found["variant"] == arm).to_numpy()
        said = registry.load(version).pipeline.predict_proba(rows[list(FEATURES)][mine])[:, 1]
        assert found["probability"][mine].tolist() == pytest.approx(said.tolist())
