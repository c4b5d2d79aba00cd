"""Leaderboards: outcomes to statistics to a ranked table to Markdown, a page and a picture."""

from genobench.leaderboard.boards import publish, read_board, render, select
from genobench.leaderboard.estimates import Estimate, estimate
from genobench.leaderboard.rows import Column, Row, Standings
from genobench.leaderboard.standings import comparable_groups, standings
from genobench.leaderboard.text import to_markdown

__all__ = [
    "Column",
    "Estimate",
    "Row",
    "Standings",
    "comparable_groups",
    "estimate",
    "publish",
    "read_board",
    "render",
    "select",
    "standings",
    "to_markdown",
]
