"""The words of a card that no store can know: what a model is for, and whom to ask."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CardTexts"]

USE = (
    "Estimates the probability that a loan application ends in default, from what is known when "
    "somebody applies.",
    "Supports the decision about an application and the watch over the portfolio. People answer "
    "for both.",
)
NOT_FOR = (
    "Applicants, products or countries other than those in the training rows.",
    "Loans that run already: nothing that happens after the application is among its features.",
    "Decisions that the law reserves for a person, or without a check for discrimination.",
)
LIMITS = (
    "Outcomes are known of loans that were granted only. About people who were turned away it has "
    "learnt nothing.",
    "It has learnt what goes together with a default, not what causes one.",
    "The intervals say how much luck there is in the rows measured. They do not cover a change of "
    "the economy or of who applies.",
)


@dataclass(frozen=True)
class CardTexts:
    """What somebody has to write; the defaults are those of this course's loans.

    Figures do not belong here: the card takes them from the stores.

    intended_use, not_for: what the model is for, and what it must not be used for.
    limits: what it cannot know, whatever the figures say.
    contact: who answers questions, empty if nobody was named.
    """

    intended_use: tuple[str, ...] = USE
    not_for: tuple[str, ...] = NOT_FOR
    limits: tuple[str, ...] = LIMITS
    contact: str = ""

    def __post_init__(self) -> None:
        """Refuse one text in the place of several: it would become a point for each letter."""
        for name in ("intended_use", "not_for", "limits"):
            if isinstance(given := getattr(self, name), str):
                raise TypeError(
                    f"{name} is the text {given[:40]!r}, must be a tuple of texts. "
                    f"Write ({given[:20]!r}…,)."
                )
