"""The model card: what one version is, may be used for, and cannot do, written from the stores.

A card typed by hand is right on the day it is typed. This one is made from the run, the registry
and its history each time it is asked for, so it cannot say anything else than they do; only the
texts of `CardTexts` come from a person.

Source of the idea: M. Mitchell and others, *Model cards for model reporting* (2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlops_helpers.cards.facts import read_facts
from mlops_helpers.cards.rendering import Section, as_html, as_markdown
from mlops_helpers.cards.sections import sections_of
from mlops_helpers.cards.texts import CardTexts
from mlops_helpers.places import write_atomically
from mlops_helpers.registry import Registry
from mlops_helpers.runs import connect

__all__ = ["Card", "CardTexts", "write_card"]

LONGEST_DESCRIPTION = 5000  # characters that MLflow's table of versions holds


@dataclass(frozen=True)
class Card:
    """A card as text in both forms, and the files it was written to (none without a folder)."""

    version: int
    markdown: str
    html: str
    sections: tuple[Section, ...]
    paths: tuple[Path, ...] = ()

    def part(self, *titles: str) -> str:
        """Some sections as Markdown, in the order asked for; KeyError names those there are."""
        known = {section.title: section for section in self.sections}
        if unknown := [title for title in titles if title not in known]:
            raise KeyError(f"the card has no section {unknown[0]!r}; it has {list(known)}")
        return as_markdown("", [known[title] for title in titles], level=2)


def write_card(
    registry: Registry,
    version: int,
    folder: Path | str | None = None,
    *,
    texts: CardTexts | None = None,
    describe: bool = False,
) -> Card:
    """The card of a version, as it is on record now; the same stores give the same bytes.

    With a `folder` it is written there as `model-card-v<version>.md` and `.html`, each in one step.
    With `describe` it becomes the version's description in MLflow, cut after a whole section where
    MLflow's column ends. What a store lacks reads "not recorded". Raises UnknownModelError if there
    is no such version.
    """
    facts = read_facts(registry, version)
    sections = tuple(sections_of(facts, texts or CardTexts()))
    title = f"Model card: {facts.model}, version {facts.version}"
    markdown, html = as_markdown(title, sections), as_html(title, sections)
    paths = ()
    if folder is not None:
        stem = Path(folder) / f"model-card-v{facts.version}"
        paths = stem.with_suffix(".md"), stem.with_suffix(".html")
        for path, text in zip(paths, (markdown, html), strict=True):
            write_atomically(path, text)
    if describe:
        client = connect(registry.tracking_uri)
        client.update_model_version(facts.model, str(facts.version), _short(title, sections))
    return Card(facts.version, markdown, html, sections, paths)


def _short(title: str, sections: tuple[Section, ...]) -> str:
    """As many whole sections as a description holds, and a word about the rest."""
    for kept in range(len(sections), -1, -1):
        left = f"\n{len(sections) - kept} more sections are in the card itself.\n"
        text = as_markdown(title, sections[:kept]) + (left if kept < len(sections) else "")
        if len(text) <= LONGEST_DESCRIPTION:
            return text
    return text[:LONGEST_DESCRIPTION]
