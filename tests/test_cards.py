"""A model card says what the stores say, in both forms, and nothing else."""

from __future__ import annotations

import html
import itertools
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.cards import LONGEST_DESCRIPTION, CardTexts, write_card
from mlops_helpers.cards.facts import SEGMENTS_FILE, read_facts
from mlops_helpers.cards.limits import MOST_NAMED, found_limits
from mlops_helpers.cards.rendering import Section, Table, as_html, as_markdown, escaped
from mlops_helpers.cards.sections import ABSENT, sections_of
from mlops_helpers.profiles import data_profile
from mlops_helpers.provenance import content_digest
from mlops_helpers.registry import Registry, UnknownModelError
from mlops_helpers.runs import connect
from mlops_helpers.tracking import PROFILE_FILE
from tests.loans_on_record import make_record

WHEN = pd.Timestamp("2023-12-01 09:30", tz="UTC")
HOSTILE = "<script>alert(1)</script>|x"
names = (f"card {number}" for number in itertools.count())


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Three runs in one store; the training rows of `logistic` had no `age`."""
    made = make_record(tmp_path_factory.mktemp("cards"))
    client, run = connect(made.tracking_uri), made.runs["logistic"]
    profile = {"train": data_profile(made.split.train.assign(age=np.nan))}
    client.log_dict(run.run_id, profile, PROFILE_FILE)
    client.set_tag(run.run_id, "code_commit", "c0ffee-dirty")
    return made


@pytest.fixture(scope="module")
def registry(record):
    """A registry that the tests share; they may add versions, and change none."""
    return Registry(record.tracking_uri, next(names))


@pytest.fixture(scope="module")
def champion(registry, record):
    """The version of `logistic` there, judged and promoted."""
    return promote(registry, record, "logistic", reason="first | model", by="risk team")


@pytest.fixture
def own(record):
    """A registry of its own for a test that changes something."""
    return Registry(record.tracking_uri, next(names))


def promote(registry, record, name, **note):
    """Register a run, pass it through the gate, promote it; returns the version."""
    version = registry.register(record.runs[name], when=WHEN)
    verdict = registry.gate(version, record.split.holdout, when=WHEN)
    registry.promote(version, verdict, when=WHEN, **note)
    return version


class _Page(HTMLParser):
    """Tags with attributes, the texts of a page, and a check that every tag is closed."""

    VOID = ("meta", "link")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip() and self.open[-1] != "style":
            self.texts.append(data.strip())

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.tags if name == tag]


def rows_of(card, title: str) -> dict[str, tuple[str, ...]]:
    """The table of a section: the cells of each row by the row's name."""
    table = next(section.table for section in card.sections if section.title == title)
    return {row[0]: row[1:] for row in table.rows}


def test_the_figures_are_those_of_the_run(registry, record, champion):
    """Every metric of the run is there with its interval, rounded, and no other."""
    card, run = write_card(registry, champion), record.runs["logistic"]
    table = rows_of(card, "Metrics")
    auc = [f"{run.metrics[f'holdout_auc{end}']:.3f}" for end in ("", "_low", "_high")]
    assert list(table["ROC AUC"][:3]) == auc
    assert table["Loans measured"][0] == f"{len(record.split.holdout):,}"
    logged = [n for n in run.metrics if n.startswith("holdout_")]
    assert len(table) == len([n for n in logged if not n.endswith(("_low", "_high"))])


def test_data_comes_from_the_runs_inputs(registry, record, champion):
    """Loans, defaults, rate, span and digest of both parts."""
    table = rows_of(write_card(registry, champion), "Data")
    train = record.split.train
    first, last, loans, defaults, rate, digest = table["Training"]
    assert (first, last) == tuple(
        f"{at:%Y-%m-%d}" for at in (train["applied_at"].min(), train["applied_at"].max())
    )
    assert (loans, defaults) == (f"{len(train):,}", f"{train['default'].sum():,.0f}")
    assert rate == f"{train['default'].mean():.1%}"
    assert digest == record.runs["logistic"].data_digest
    later = table["Holdout, later rows"]
    assert later[2] == f"{len(record.split.holdout):,}"
    assert later[-1] == content_digest(record.split.holdout)


def test_version_role_gate_and_history(registry, champion):
    """Who this is, what the gate said with its evidence, who promoted it and why."""
    card = write_card(registry, champion, texts=CardTexts(contact="risk@lender.example"))
    glance = rows_of(card, "What this is")
    assert glance["Version"] == (str(champion),)
    assert glance["Role"] == ("champion",)
    assert glance["Algorithm"] == ("LogisticRegression",)
    assert glance["Questions to"] == ("risk@lender.example",)
    checks = rows_of(card, "Gate")
    assert checks["reproduces its predictions"][0] == "✓ passed"
    assert all(evidence for _, evidence in checks.values())
    history = next(s.table for s in card.sections if s.title == "History")
    assert history.rows[-1] == (
        "2023-12-01 09:30", "promoted", "1", "–", "risk team", "first | model"
    )  # fmt: skip


def test_a_refused_version_says_so_first_among_its_limits(registry, record):
    """The refusal with the names of its checks is a limit; the failed check is marked in words."""
    version = registry.register(record.runs["dummy"], when=WHEN)
    registry.gate(version, record.split.holdout, when=WHEN)
    card = write_card(registry, version)
    limits = next(s.points for s in card.sections if s.title == "Limits")
    assert limits[0].startswith("The gate did not let this version pass")
    assert "beats the baseline" in limits[0]
    assert rows_of(card, "Gate")["beats the baseline"][0] == "✗ refused"


def test_an_archived_version_is_no_candidate(own, record):
    """Put aside is a role of its own, and a limit."""
    version = own.register(record.runs["logistic"], when=WHEN)
    own.archive(version, reason="not needed", when=WHEN)
    card = write_card(own, version)
    assert rows_of(card, "What this is")["Role"] == ("archived",)
    assert "must be restored" in card.part("Limits")


def test_history_is_that_of_this_version_only(own, record):
    """Events of others are left out, except those in which this version was replaced."""
    first, second = promote(own, record, "cautious"), promote(own, record, "logistic")
    events = [row[1:4] for row in _history_rows(own, first)]
    assert events[-1] == ("promoted", str(second), str(first))
    assert [number for _, number, _ in events[:-1]] == [str(first)] * (len(events) - 1)


def _history_rows(registry, version):
    sections = write_card(registry, version).sections
    return next(s.table.rows for s in sections if s.title == "History")


def test_limits_that_follow_from_data_are_computed(registry, record, champion):
    """Span, columns empty in training, groups too small, outcomes of granted loans only."""
    limits = "\n".join(next(s.points for s in write_card(registry, champion).sections
                            if s.title == "Limits"))  # fmt: skip
    first, last = record.split.train["applied_at"].agg(["min", "max"])
    assert f"{first:%Y-%m-%d} to {last:%Y-%m-%d}" in limits
    assert "no whole year" in limits
    assert "without any influence: age." in limits
    assert re.search(r"employment_length \(\d", limits), "half-empty columns are told apart"
    assert "applied_at" not in limits
    assert "Too few loans" in limits
    assert "granted only" in limits


def _facts(registry, version, **segments):
    """The facts of a version with other groups: a row for each list element."""
    facts = read_facts(registry, version)
    table = pd.DataFrame(segments)
    fill = dict.fromkeys(set(facts.segments.columns) - set(table.columns), 1.0)
    changed = {name: getattr(facts, name) for name in facts.__dataclass_fields__}
    return type(facts)(**(changed | {"segments": table.assign(**fill)}))


def test_groups_whose_defaults_differ_from_the_prediction_are_named(registry, champion):
    """Only intervals that leave out 1 count, on either side; many small groups are counted."""
    groups = [f"g{n}" for n in range(20)]
    facts = _facts(
        registry,
        champion,
        segment=["s"] * 20,
        group=groups,
        observed_to_expected_low=[1.2, 0.2, 0.9, *[0.5] * 17],
        observed_to_expected_high=[1.9, 0.8, 1.1, *[1.5] * 17],
        auc_low=[0.6] * 3 + [np.nan] * 17,
    )
    small, off = found_limits(facts)[-2:]
    assert "of 20 intervals" in off
    assert "s g0 " in off
    assert "s g1 " in off
    assert "s g2 " not in off
    assert small.count(" loans, ") == MOST_NAMED
    assert f"and {17 - MOST_NAMED} more" in small


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(-0.9, -0.2, "too high"), (0.2, 0.9, "too low"), (-0.1, 0.1, None)],
)
def test_a_level_that_is_off_is_a_limit(registry, champion, low, high, words):
    """Only if the whole interval of the calibration in the large lies on one side of zero."""
    facts = read_facts(registry, champion)
    ends = {"holdout_calibration_intercept_low": low, "holdout_calibration_intercept_high": high}
    changed = {name: getattr(facts, name) for name in facts.__dataclass_fields__}
    limits = found_limits(type(facts)(**(changed | {"metrics": {**facts.metrics, **ends}})))
    found = [sentence for sentence in limits if "on average" in sentence]
    assert ([words in found[0]] if words else found) == ([True] if words else [])


@pytest.mark.parametrize(
    ("promised", "high", "told"), [(0.5, -0.2, "(0.50"), (0.5, 0.1, None), (0.25, -0.2, None)]
)
def test_groups_that_share_the_level_of_all_are_not_blamed(
    registry, champion, promised, high, told
):
    """Only if the level is surely off, and explains more than half of the groups that are."""
    facts = _facts(
        registry,
        champion,
        segment=["s"] * 3,
        group=["a", "b", "c"],
        n=[100] * 3,
        defaults=[25] * 3,
        mean_probability=[promised] * 3,
        observed_to_expected_low=[0.4, 0.3, 0.5],
        observed_to_expected_high=[0.8, 0.9, 0.95],
    )
    ends = {"holdout_calibration_intercept_low": -0.9, "holdout_calibration_intercept_high": high}
    limits = found_limits(replace(facts, metrics={**facts.metrics, **ends}))
    assert ("Most of this is the level of all loans" in limits[-1]) is (told is not None)
    assert told is None or (told in limits[-1] and "2 of these 3 groups" in limits[-1])


def test_a_column_in_which_all_are_alike_is_no_group(own, record):
    """Its one "group" is everybody, and the gate does not count it either."""
    run, client = record.runs["dummy"], connect(record.tracking_uri)
    table = read_facts(own, own.register(run, when=WHEN)).segments
    alone = table.head(1).assign(segment="branch", group="all")
    client.log_text(run.run_id, pd.concat([table, alone]).to_csv(index=False), SEGMENTS_FILE)
    assert read_facts(own, 1).segments["group"].tolist() == table["group"].tolist()


def test_the_registration_is_dated_by_the_history(registry, champion):
    """In the course's calendar, not by the clock of the server."""
    registered = rows_of(write_card(registry, champion), "What this is")["Registered"]
    assert registered == (f"{WHEN:%Y-%m-%d %H:%M} UTC",)


def test_what_a_store_lacks_is_not_recorded(registry, record):
    """No artifacts, tags, inputs, settings or metrics: the card is whole and invents nothing."""
    client = connect(record.tracking_uri)
    logged = client.get_run(record.runs["dummy"].run_id)
    bare = client.create_run(logged.info.experiment_id).info.run_id
    model = client.get_logged_model(logged.outputs.model_outputs[0].model_id)
    made = client.create_model_version(registry.name, model.artifact_location, run_id=bare)
    client.set_terminated(bare)
    card = write_card(registry, int(made.version))
    for title in ("Metrics", "Groups of applicants", "Gate", "Settings", "History"):
        assert ABSENT in card.part(title), title
    assert set(rows_of(card, "Data")["Training"]) == {ABSENT}
    origin = rows_of(card, "Where it comes from")
    assert origin["Code, commit"] == (ABSENT,)
    assert "age" not in card.part("Limits")
    assert "nan" not in card.markdown.lower().replace("governance", "")


def test_a_version_whose_run_is_gone_has_a_card_all_the_same(registry):
    """A version may outlive its run: what is left is shown, the loss is named."""
    client = connect(registry.tracking_uri)
    made = client.create_model_version(registry.name, "file:///nowhere", run_id="0" * 32)
    card = write_card(registry, int(made.version))
    assert "Could not be read" in card.part("Limits")
    assert rows_of(card, "What this is")["Run"] == (ABSENT,)


def test_broken_evidence_is_named_and_nothing_is_said_from_it(registry, record):
    """A table cut short, a profile that is no JSON, checks that are none: each is named."""
    run = record.runs["cautious"]
    client = connect(record.tracking_uri)
    client.log_text(run.run_id, '"segment,gr', SEGMENTS_FILE)
    client.log_text(run.run_id, '{"rows": 15', PROFILE_FILE)
    version = registry.register(run, when=WHEN)
    client.set_model_version_tag(registry.name, str(version), "gate_checks", '[{"check": 1}]')
    card = write_card(registry, version)
    for what in (SEGMENTS_FILE, PROFILE_FILE, "the gate's checks"):
        assert escaped(what) in card.part("Limits"), what
    assert ABSENT in card.part("Groups of applicants")


HOLDOUT_FROM = "2022-07-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("until", "row", "limit"),
    [
        ("2022-06-30T23:59:59+00:00", "Holdout, later rows", None),
        (HOLDOUT_FROM, "Holdout, not later than training", "at the very instant of"),
        ("2023-01-01T00:00:00+00:00", "Holdout, not later than training", "before the last"),
        ("long ago", "Holdout", "Whether the holdout came after the training rows is not recorded"),
    ],
)
def test_what_is_said_of_the_holdout_is_computed(own, record, until, row, limit):
    """Later, at the boundary, earlier, unknown: table, meaning of the count and limits agree."""
    version = own.register(record.runs["cautious"], when=WHEN)
    facts = read_facts(own, version)
    tags = {**facts.tags, "train_until": until, "holdout_from": HOLDOUT_FROM}
    sections = {s.title: s for s in sections_of(replace(facts, tags=tags), CardTexts())}
    assert [cells[0] for cells in sections["Data"].table.rows] == ["Training", row]
    meaning = {cells[0]: cells[-1] for cells in sections["Metrics"].table.rows}["Loans measured"]
    assert (meaning == "later than all training rows") is (limit is None)
    words = ("holdout begins", "holdout came")
    told = [text for text in sections["Limits"].points if any(w in text for w in words)]
    assert len(told) == (limit is not None)
    assert limit is None or limit in told[0]


@pytest.mark.parametrize("run_id", [None, "0" * 32])
def test_a_version_without_its_run_has_a_card(own, record, run_id):
    """Made by hand, or its run was purged: the card says so, and the rest is not recorded."""
    own.register(record.runs["dummy"], when=WHEN)
    client = connect(own.tracking_uri)
    made = client.create_model_version(own.name, "file:///nowhere", run_id=run_id)
    card = write_card(own, int(made.version))
    assert "could not be read" in card.part("Limits").lower()
    assert ("made without a run" in card.part("Limits")) is (run_id is None)
    assert rows_of(card, "What this is")["Run"] == (ABSENT,)


def test_digests_that_contradict_each_other_are_both_shown(own, record):
    """The version's digest of the model file and its run's must agree; if not, nobody chooses."""
    version = own.register(record.runs["logistic"], when=WHEN)
    client = connect(record.tracking_uri)
    client.set_model_version_tag(own.name, str(version), "model_sha256", "f00d")
    (shown,) = rows_of(write_card(own, version), "Where it comes from")["Model file, SHA-256"]
    assert shown.startswith("CONTRADICTION")
    assert "f00d" in shown
    assert client.get_run(record.runs["logistic"].run_id).data.tags["model_sha256"] in shown


def test_changes_after_the_commit_are_told(registry, champion):
    """A run of changed code is not explained by its commit, and the card says so."""
    (shown,) = rows_of(write_card(registry, champion), "Where it comes from")["Code, commit"]
    assert shown.startswith("c0ffee (")
    assert "changes" in shown


def test_the_same_stores_give_the_same_bytes(registry, champion, tmp_path):
    """Written twice, an hour apart or not, both files are equal byte by byte."""
    first = write_card(registry, champion, tmp_path / "a")
    second = write_card(registry, champion, tmp_path / "b")
    assert [path.name for path in first.paths] == ["model-card-v1.md", "model-card-v1.html"]
    for one, other, text in zip(
        first.paths, second.paths, (first.markdown, first.html), strict=True
    ):
        assert one.read_bytes() == other.read_bytes() == text.encode()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(
        path.name for path in first.paths
    ), "no half-written file is left beside them"


def test_without_a_folder_nothing_is_written(registry, champion, tmp_path, monkeypatch):
    """The texts alone come back."""
    monkeypatch.chdir(tmp_path)
    assert write_card(registry, champion).paths == ()
    assert list(tmp_path.iterdir()) == []


def test_reading_changes_nothing(registry, champion):
    """Neither history nor versions are touched by a card that is not stored."""
    client = connect(registry.tracking_uri)
    before = dict(client.get_model_version(registry.name, str(champion)))
    write_card(registry, champion)
    assert dict(client.get_model_version(registry.name, str(champion))) == before


def test_describe_stores_whole_sections_in_mlflow(own, record):
    """The description begins like the card, ends after a section, and fits MLflow's column."""
    version = own.register(record.runs["logistic"], when=WHEN)
    card = write_card(own, version, describe=True)
    found = connect(own.tracking_uri).get_model_version(own.name, str(version))
    assert len(card.markdown) > LONGEST_DESCRIPTION >= len(found.description)
    kept, _, rest = found.description.rpartition("\n\n")
    assert card.markdown.startswith(kept)
    assert re.fullmatch(r"\d more sections are in the card itself\.\n", rest)
    assert "## Limits" in kept
    assert write_card(own, version).markdown == card.markdown, "its own description is not in it"


def test_a_short_card_is_described_whole(registry, record):
    """What fits is not cut and says nothing about a rest."""
    client = connect(registry.tracking_uri)
    made = client.create_model_version(registry.name, "file:///nowhere", run_id="0" * 32)
    texts = CardTexts(intended_use=("x",), not_for=(), limits=())
    card = write_card(registry, int(made.version), texts=texts, describe=True)
    found = client.get_model_version(registry.name, made.version)
    assert found.description == card.markdown


def test_a_version_that_does_not_exist_is_an_error(registry, champion, tmp_path):
    """No card of nothing: the registry's own error, and no file."""
    with pytest.raises(UnknownModelError):
        write_card(registry, champion + 7, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        HOSTILE,
        "a\n# heading\n| b |",
        "\"quoted\" 'name' & co",
        "*bold* _it_ `code` [link](http://x.example) $5 and $6",
        "- item",
        "1. first",
        "\u202eevil\x00\u200b",
        "模型 Модель",
    ],
)
def test_names_cannot_break_out_of_either_form(registry, record, champion, name):
    """A run's name, a reason and a contact with markup stay text, in their own cell."""
    client = connect(record.tracking_uri)
    client.set_tag(record.runs["logistic"].run_id, "mlflow.runName", name)
    plain = write_card(registry, champion)
    card = write_card(registry, champion, texts=CardTexts(contact=name, limits=(name,)))
    page = _Page(card.html)
    visible = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    assert page.texts.count(visible) == 3
    assert not {"script", "b", "em", "a"} & {tag for tag, _ in page.tags}
    assert "<script" not in card.markdown
    for text in (plain, card):
        body = [line for line in text.markdown.splitlines() if line.startswith("|")]
        assert {line[-1] for line in body} == {"|"}
        assert sum(line.startswith("#") for line in text.markdown.splitlines()) == 1 + len(
            text.sections
        )
    glance = card.part("What this is").splitlines()
    (row,) = [line for line in glance if line.startswith("| Questions to")]
    assert row.count("|") == 3
    assert html.unescape(re.sub(r"\\(.)", r"\1", row)) == f"| Questions to | {visible} |"


def test_marks_of_markdown_are_escaped_and_figures_are_not():
    """What would begin a list, a rule or mathematics is text; a number stays readable."""
    assert escaped("-0.3") == "-0.3"
    assert escaped("0.7 [0.6, 0.8]") == r"0.7 \[0.6, 0.8\]"
    assert escaped("- x") == r"\- x"
    assert escaped("12) x") == r"12\) x"
    assert escaped("---") == r"\---"
    assert escaped(r"a\|b") == r"a\\&#124;b"


def test_the_page_is_well_formed_and_accessible(registry, champion):
    """One H1, headings in order, captions, scopes, names for regions, nothing from the network."""
    card = write_card(registry, champion)
    page = _Page(card.html)
    assert page.open == []
    assert page.all("html") == [{"lang": "en"}]
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels == [1] + [2] * len(card.sections)
    tables = [section.table for section in card.sections if section.table]
    assert len(page.all("table")) == len(page.all("caption")) == len(tables)
    assert {attributes.get("scope") for attributes in page.all("th")} == {"col", "row"}
    assert len([a for a in page.all("th") if a["scope"] == "row"]) == sum(
        len(table.rows) for table in tables
    )
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["aria-labelledby"] for _, a in page.tags if "aria-labelledby" in a} <= set(ids)
    addresses = [a.get("href") or a.get("src") for _, a in page.tags if {"href", "src"} & set(a)]
    assert addresses == ["data:,"]
    assert "@media print" in card.html


def test_both_forms_hold_the_same_content(registry, champion):
    """Every heading, point and cell of the card is in the page and in the Markdown."""
    card = write_card(registry, champion)
    page = set(_Page(card.html).texts)
    for section in card.sections:
        cells = [cell for row in section.table.rows for cell in row] if section.table else []
        for text in (section.title, *section.words, *section.points, *cells):
            assert text in page
            assert escaped(text) in card.markdown


def test_every_row_of_a_markdown_table_has_as_many_cells():
    """A bar in a cell is no border of a column."""
    section = Section("T", table=Table("c", ("a|", "b"), (("|", "||"), ("x", "y")), (1,)))
    lines = [line for line in as_markdown("t", [section]).splitlines() if line.startswith("|")]
    assert [line.count("|") for line in lines] == [3] * 4
    assert lines[1] == "| --- | ---: |"
    assert as_html("t", [section]).count("<td") == 2


def test_parts_can_be_asked_for_by_title(registry, champion):
    """Some sections as Markdown in the order asked for; a wrong title names those there are."""
    card = write_card(registry, champion)
    part = card.part("Gate", "Limits")
    assert [line for line in part.splitlines() if line.startswith("#")] == [
        "### Gate",
        "### Limits",
    ]
    with pytest.raises(KeyError, match="Limits"):
        card.part("Limit")


def test_texts_are_tuples():
    """One text in the place of several is refused: it would become a point for each letter."""
    with pytest.raises(TypeError, match="limits is the text"):
        CardTexts(limits="none known")
