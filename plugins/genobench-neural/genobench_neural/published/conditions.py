"""Conditions as the published models take them: values as they stand in the sample table, classes by number or one-hot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from genobench import ConditionEncoder


def raw_condition(encoder: ConditionEncoder) -> tuple[torch.Tensor, torch.Tensor]:
    """What an encoded condition is multiplied with and what is then added, each of shape (encoder.width,).

    The result holds quantitative values as in the table (held within four standard deviations of the training mean, a missing one at the
    mean), and 1 for a sample's class where other classes have 0 (a missing class has each class's share in training).
    """
    scale, offset = [], []
    for column in encoder.columns:
        scale += [1.0] * column.width if column.classes else [column.standard_deviation]
        offset += list(column.shares) if column.classes else [column.mean]
    return torch.tensor(scale, device="cpu"), torch.tensor(offset, device="cpu")


def condition_scalars(encoder: ConditionEncoder) -> tuple[torch.Tensor, torch.Tensor]:
    """The matrix and the offset that turn an encoded condition into one raw number a column: the value, or the number of the class.

    Returns:
        Shapes (encoder.width, n_columns) and (n_columns,).
    """
    scale, offset = raw_condition(encoder)
    numbers = torch.zeros(encoder.width, len(encoder.columns), device="cpu")
    for number, (column, places) in enumerate(zip(encoder.columns, encoder.slices().values(), strict=True)):
        numbers[places, number] = torch.arange(column.width, device="cpu", dtype=torch.float32) if column.classes else 1.0
    return scale[:, None] * numbers, offset @ numbers
