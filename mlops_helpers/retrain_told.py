"""A scheduled retraining in words, for who reads the scheduler's mail."""

from __future__ import annotations

import pandas as pd

from mlops_helpers.business import in_dollars, in_words
from mlops_helpers.retrain_step import Result

__all__ = ["summary"]


def summary(result: Result) -> str:
    """What came of it: decision and reasons, rows, verdict, gate, who serves now, seconds."""
    known = " (it was over before this call; nothing was done now)" if result.repeated else ""
    lines = [f"{result.key}: {result.outcome}{known}", f"  {_end(result.sentence)}"]
    if result.differs:
        lines += [f"  It was made with other settings than now: {'; '.join(result.differs)}."]
        lines += ["  A day is decided once: give a later day to decide with those of now."]
    told = result.details
    lines += _section("Watch", _watched(told.get("watch", {}), result.stages))
    lines += _section("Reasons", _reasons(told.get("check", {})))
    lines += _section("Rows", _rows(told.get("train", {})))
    lines += _section("Judge", _checks(told.get("judge", {})))
    lines += _section("Gate", _gate(told.get("promote", {}), "checks" in told.get("judge", {})))
    lines += ["Now", f"  version {result.champion} serves"]
    return "\n".join([*lines, "Stages", *_stages(result.stages)])


def _section(name: str, lines: list[str]) -> list[str]:
    return [name, *(f"  {line}" for line in lines)] if lines else []


def _watched(watch: dict, stages: pd.DataFrame) -> list[str]:
    told = stages.loc[stages["stage"] == "watch", "told"]
    return [_end(text) for text in told if text]


def _reasons(check: dict) -> list[str]:
    marks = {
        "trigger": ("asks for it", "does not ask"),
        "condition": ("met", "not met"),
        "veto": ("FORBIDS it", "does not forbid"),
    }
    return [
        f"{reason['kind']:<9}  {marks[reason['kind']][not reason['holds']]:<15}  {reason['text']}"
        for reason in check.get("reasons", [])
    ]


def _rows(train: dict) -> list[str]:
    if not train.get("rows_train"):
        return []
    left = [f"{count:,} {why}" for why, count in train["left_out"].items() if count]
    learnt = f"{train['rows_train']:,} to learn from, {train['rows_judge']:,} later ones to judge"
    faulty = [told[0] for told in train.get("faulty_months", {}).values()]
    return [learnt, *([f"left out: {', '.join(left)}"] if left else []), *faulty]


def _checks(judged: dict) -> list[str]:
    return [
        f"{'passed' if check['passed'] else 'not passed':<10}  {_measured(check)}"
        for check in judged.get("checks", [])
    ]


def _measured(check: dict) -> str:
    if check["low"] is None or check["high"] is None:
        return f"{check['check']:<12} {check['reason']}"
    word = in_dollars if check["check"] == "profit" else in_words
    figures = [word(check[name]) for name in ("value", "low", "high")]
    return f"{check['check']:<12} {figures[0]} [{figures[1]}, {figures[2]}]"


def _gate(promote: dict, judged: bool) -> list[str]:
    if not judged:
        return []
    if refused := promote.get("refused_by"):
        return [f"refused by: {', '.join(refused)}"]
    return ["passed all checks"]


def _stages(stages: pd.DataFrame) -> list[str]:
    lines = []
    for row in stages.itertuples():
        took = "" if pd.isna(row.seconds) else f"  {row.seconds:7.2f} s"
        again = f"  (attempt {row.attempts})" if row.attempts > 1 else ""
        lines.append(f"  {row.stage:<8} {row.status:<8}{took}{again}".rstrip())
    return lines


def _end(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!")) else f"{sentence}."
