"""Leaderboards: outcomes to statistics to a ranked table to Markdown, a page and a picture."""

from genobench.leaderboard.boards import publish, read_board, render, select
from genobench.leaderboard.estimates import Estimate, estimate
from genobench.leaderboard.paired import PairedDifference, paired_differences
from genobench.leaderboard.rows import Column, Row, Standings
from genobench.leaderboard.standings import comparable_groups, standings
from genobench.leaderboard.text import to_markdown

__all__ = [
    "Column",
    "Estimate",
    "PairedDifference",
    "Row",
    "Standings",
    "comparable_groups",
    "estimate",
    "paired_differences",
    "publish",
    "read_board",
    "render",
    "select",
    "standings",
    "to_markdown",
]
