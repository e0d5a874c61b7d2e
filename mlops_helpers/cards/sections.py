"""What a card says, section by section: facts of the stores in, texts and tables out.

Numbers are rounded here and nowhere before. What a store lacks is "not recorded".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import pandas as pd

from mlops_helpers.cards.facts import CardFacts
from mlops_helpers.cards.limits import found_limits, overlap, recorded_time
from mlops_helpers.cards.rendering import Section, Table
from mlops_helpers.cards.texts import CardTexts

__all__ = ["ABSENT", "sections_of"]

ABSENT = "not recorded"
METRICS = {  # in this order; a metric that is not here comes after them under its own name
    "auc": ("ROC AUC", "0.5 is guessing, 1 ranks every default above every repaid loan"),
    "gini": ("Gini", "2 × AUC − 1"),
    "ks": ("KS", "largest distance between defaults and repaid loans, from 0 to 1"),
    "average_precision": ("Average precision", "guessing gives the default rate"),
    "brier": ("Brier score", "mean squared error of the probability; lower is better"),
    "log_loss": ("Log loss", "lower is better"),
    "calibration_slope": ("Calibration slope", "1 is right; below 1 it is too sure"),
    "calibration_intercept": ("Calibration intercept", "0 is right; below 0 it expects too much"),
    "profit": ("Profit per application", "dollars"),
    "default_rate": ("Default rate observed", "share of the loans measured"),
    "n": ("Loans measured", "applications of the holdout"),
}


def sections_of(facts: CardFacts, texts: CardTexts) -> list[Section]:
    """The sections of the card, in order."""
    return [
        _what(facts, texts),
        Section("Intended use", points=texts.intended_use),
        Section("Not intended for", points=texts.not_for),
        Section("Limits", points=(*found_limits(facts), *texts.limits)),
        _data(facts),
        _metrics(facts),
        _groups(facts),
        _gate(facts),
        _history(facts),
        _settings(facts),
        _origin(facts),
    ]


def _what(facts: CardFacts, texts: CardTexts) -> Section:
    rows = {
        "Model": facts.model,
        "Version": str(facts.version),
        "Role": ", ".join(facts.aliases) or ("archived" if facts.archived else "none"),
        "Run": facts.name,
        "Algorithm": facts.algorithm,
        "Gate": facts.gate or "not judged",
        "Registered": f"{facts.created:%Y-%m-%d %H:%M} UTC",
        "Questions to": texts.contact,
    }
    return Section("What this is", table=_pairs("The version at a glance", rows))


def _data(facts: CardFacts) -> Section:
    rows = []
    for part, name in (("train", "Training"), ("holdout", "Holdout" + _when(facts))):
        known = facts.parts.get(part, {})
        count, defaults = known.get("num_rows", known.get("rows")), known.get("defaults")
        rate = f"{defaults / count:.1%}" if count and defaults is not None else None
        tagged = facts.tags.get("data_digest") if part == "train" else None
        cells = (
            *(_day(facts.tags.get(f"{part}_{end}")) for end in ("from", "until")),
            _count(count), _count(defaults), rate,
            _agreed((tagged, known.get("digest"))),
        )  # fmt: skip
        rows.append((name, *(cell or ABSENT for cell in cells)))
    columns = ("Part", "First application", "Last", "Loans", "Defaults", "Default rate", "Digest")
    return Section("Data", table=Table("What it was trained and measured on", columns,
                                       tuple(rows), (1, 2, 3, 4, 5)))  # fmt: skip


def _when(facts: CardFacts) -> str:
    """What the recorded times say about the holdout's place; nothing where one is missing."""
    told = overlap(facts)
    return "" if told is None else ", not later than training" if told else ", later rows"


def _metrics(facts: CardFacts) -> Section:
    head = "holdout_"
    values = {n.removeprefix(head): v for n, v in facts.metrics.items() if n.startswith(head)}
    names = [n for n in values if not n.endswith(("_low", "_high"))]
    order = {name: place for place, name in enumerate(METRICS)}
    rows = []
    for name in sorted(names, key=lambda n: (order.get(n, len(order)), n)):
        label, meaning = METRICS.get(name, (name, ABSENT))
        ends = [values.get(f"{name}{end}") for end in ("_low", "_high")]
        if name == "n" and overlap(facts) == "":
            meaning = "later than all training rows"
        if name == "profit":
            meaning += f", approving below its own cut-off, {facts.settings.get('cutoff', ABSENT)}"
            meaning += "; the gate's row decides, at the cut-off named there"
        shown = ["–", "–"] if name == "n" else [_figure(name, v) for v in ends]
        rows.append((label, _figure(name, values[name]), *shown, meaning))
    if not rows:
        return Section("Metrics", words=(f"Metrics on the holdout: {ABSENT}.",))
    columns = ("Metric", "Value", "95 % from", "to", "How to read it")
    caption = "Measured on the holdout, with 95 % intervals"
    return Section("Metrics", table=Table(caption, columns, tuple(rows), (1, 2, 3)))


def _groups(facts: CardFacts) -> Section:
    title = "Groups of applicants"
    if facts.segments is None or facts.segments.empty:
        return Section(title, words=(f"Figures by group: {ABSENT}.",))
    rows = []
    for row in facts.segments.to_dict("records"):
        auc = _interval(row, "auc", few="too few loans")
        ratio = _interval(row, "observed_to_expected", digits=2)
        rates = (_percent(row["default_rate"]), _percent(row["mean_probability"]))
        counts = (_count(row["n"]) or ABSENT, _count(row["defaults"]) or ABSENT)
        rows.append((f"{row['segment']}: {row['group']}", *counts, *rates, auc, ratio))
    columns = (
        "Group",
        "Loans",
        "Defaults",
        "Default rate",
        "Predicted",
        "AUC",
        "Observed/expected",
    )
    caption = "Groups of the holdout, with 95 % intervals in brackets; those of the gate are wider"
    caption += ", because it asks about many groups at once"
    return Section(title, table=Table(caption, columns, tuple(rows), (1, 2, 3, 4, 5, 6)))


def _gate(facts: CardFacts) -> Section:
    verdict = facts.gate or ABSENT
    if facts.checks is None or facts.checks.empty:
        return Section("Gate", words=(f"The gate's verdict: {verdict}.",))
    rows = tuple(
        (str(row.check), "✓ passed" if row.passed is True else "✗ refused", str(row.evidence))
        for row in facts.checks.astype(object).itertuples()
    )
    caption = f"The last verdict of the gate: {verdict}"
    return Section("Gate", table=Table(caption, ("Check", "Verdict", "Evidence"), rows))


def _history(facts: CardFacts) -> Section:
    if facts.history.empty:
        return Section("History", words=(f"Events of this version: {ABSENT}.",))
    rows = tuple(
        (
            f"{row.when:%Y-%m-%d %H:%M}",
            row.event,
            str(row.version),
            "–" if pd.isna(row.replaced) else str(row.replaced),
            row.by or ABSENT,
            row.reason or ABSENT,
        )
        for row in facts.history.itertuples()
    )
    columns = ("When (UTC)", "Event", "Version", "Replaced", "By", "Reason")
    caption = "Every event in which this version was named, oldest first"
    return Section("History", table=Table(caption, columns, rows))


def _settings(facts: CardFacts) -> Section:
    own = {n.removeprefix("model__"): v for n, v in facts.settings.items() if n[:7] == "model__"}
    own |= {n: v for n, v in facts.settings.items() if n in ("seed", "cutoff") or "." in n}
    if not own:
        return Section("Settings", words=(f"Settings: {ABSENT}.",))
    others = len(facts.settings) - len(own)
    caption = (
        f"Settings of algorithm and training; {others} more, of the preparation, are in its run"
    )
    origin = facts.tags.get("cutoff_from")
    words = (f"Where the cut-off comes from: {origin}.",) if origin else ()
    return Section("Settings", words=words, table=_pairs(caption, own, ("Setting", "Value")))


def _origin(facts: CardFacts) -> Section:
    digests = (facts.version_tags.get("model_sha256"), facts.tags.get("model_sha256"))
    seconds, speed = (facts.metrics.get(n) for n in ("fit_seconds", "predict_ms_per_1000"))
    rows = {
        "Run id": facts.run_id,
        "Model file, SHA-256": _agreed(digests),
        "Code, commit": _commit(facts.tags.get("code_commit")),
        "Locked packages, SHA-256": facts.tags.get("lock_digest"),
        "mlops_helpers": facts.tags.get("mlops_helpers"),
        "Seconds to fit": None if seconds is None else f"{seconds:.2f}",
        "Milliseconds per 1,000 loans": None if speed is None else f"{speed:.1f}",
    }
    return Section("Where it comes from", table=_pairs("What made this version", rows))


def _pairs(
    caption: str, rows: Mapping[str, str | None], columns: tuple[str, str] = ("What", "As recorded")
) -> Table:
    return Table(caption, columns, tuple((name, text or ABSENT) for name, text in rows.items()))


def _agreed(found: Iterable[str | None]) -> str | None:
    """What the stores say with one voice, or both voices; None if none says anything."""
    voices = list(dict.fromkeys(text for text in found if text))
    return f"CONTRADICTION: {' and '.join(voices)}" if len(voices) > 1 else "".join(voices) or None


def _commit(text: str | None) -> str | None:
    changed = " (with changes after it, which no commit holds)"
    return text.removesuffix("-dirty") + changed if text and text.endswith("-dirty") else text


def _day(text: str | None) -> str | None:
    found = recorded_time(text)
    return None if found is None else f"{found:%Y-%m-%d}"


def _known(value: float | None) -> bool:
    return value is not None and not math.isnan(value)


def _count(value: float | None) -> str | None:
    return f"{value:,.0f}" if _known(value) else None


def _percent(value: float | None) -> str:
    return f"{value:.1%}" if _known(value) else ABSENT


def _figure(name: str, value: float | None) -> str:
    if not _known(value):
        return ABSENT
    if name == "default_rate":
        return f"{value:.1%}"
    return (
        f"{value:,.0f}" if name == "n" else f"{value:,.2f}" if name == "profit" else f"{value:.3f}"
    )


def _interval(row: Mapping[str, float], name: str, *, digits: int = 3, few: str = ABSENT) -> str:
    """A value with its interval in brackets; `few` in their place where there is none."""
    value, low, high = (row.get(f"{name}{end}") for end in ("", "_low", "_high"))
    if not _known(value):
        return few
    known = f"[{low:.{digits}f}, {high:.{digits}f}]" if _known(low) and _known(high) else f"({few})"
    return f"{value:.{digits}f} {known}"
