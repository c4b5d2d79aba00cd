"""Pedigrees: a dairy population in yearly cohorts, and litters of breeding pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

Indices = npt.NDArray[np.int64]

FOUNDER = -1
"""In `sire` and `dam`: the animal is a founder."""

FEMALE, MALE = 0, 1


@dataclass(frozen=True, eq=False)
class Pedigree:
    """Who descends from whom; parents stand before their offspring.

    Attributes:
        sire: Row of each animal's sire, or FOUNDER, shape (n_animals,).
        dam: Row of each animal's dam, or FOUNDER, shape (n_animals,).
        sex: FEMALE or MALE, shape (n_animals,).
        birth: Year of birth (dairy) or generation (litters), increasing, shape (n_animals,).
    """

    sire: Indices
    dam: Indices
    sex: Indices
    birth: Indices

    def __len__(self) -> int:
        """Number of animals."""
        return len(self.sire)

    def ancestry_of(self, animals: Indices) -> Indices:
        """The animals and all their ancestors, as increasing rows."""
        needed = np.zeros(len(self), dtype=bool)
        needed[animals] = True
        for animal in range(len(self) - 1, -1, -1):
            if needed[animal] and self.sire[animal] != FOUNDER:
                needed[self.sire[animal]] = needed[self.dam[animal]] = True
        return np.flatnonzero(needed)

    def subset(self, rows: Indices) -> Pedigree:
        """The animals of `rows` (increasing, with all parents among them), renumbered."""
        number = np.full(len(self) + 1, FOUNDER, dtype=np.int64)
        number[rows] = np.arange(len(rows))
        return Pedigree(number[self.sire[rows]], number[self.dam[rows]], self.sex[rows], self.birth[rows])


@dataclass(frozen=True)
class DairyDesign:
    """How a dairy population is bred: few sires, by artificial insemination, in overlapping generations.

    Args:
        founder_sires: Founders that are male.
        founder_dams: Founders that are female.
        first_year: Year in which the founders were born; their calves come two years later.
        last_year: Last year of birth.
        calves_a_year: Heifer calves born every year.
        bulls_a_year: Bull calves a year that later serve as sires.
        parent_ages: Youngest and oldest age, in years, at which an animal has calves.
        sire_shape: Shape of the gamma distribution of the sires' shares in a year; small values mean a few famous sires.
    """

    founder_sires: int = 60
    founder_dams: int = 240
    first_year: int = 1985
    last_year: int = 2019
    calves_a_year: int = 1000
    bulls_a_year: int = 6
    parent_ages: tuple[int, int] = (2, 6)
    sire_shape: float = 2.0


def dairy_pedigree(design: DairyDesign, rng: np.random.Generator) -> Pedigree:
    """A dairy population from its founders on; mating is at random, there is no selection.

    Args:
        design: How it is bred.
        rng: The source of chance.

    Returns:
        The founders, then one cohort a year: heifers, then the year's future sires.
    """
    n_founders = design.founder_sires + design.founder_dams
    sire, dam = [np.full(n_founders, FOUNDER)], [np.full(n_founders, FOUNDER)]
    sex = [np.repeat([MALE, FEMALE], [design.founder_sires, design.founder_dams])]
    birth = [np.full(n_founders, design.first_year)]
    popularity = rng.gamma(design.sire_shape, size=n_founders)
    youngest, oldest = design.parent_ages
    per_year = design.calves_a_year + design.bulls_a_year
    for year in range(design.first_year + youngest, design.last_year + 1):
        age = year - np.concatenate(birth)
        # Founders of one birth year serve until their first calves can.
        serves = (age >= youngest) & ((age <= oldest) | ((np.concatenate(birth) == design.first_year) & (age <= 2 * youngest + 1)))
        is_male = np.concatenate(sex) == MALE
        bulls, cows = np.flatnonzero(serves & is_male), np.flatnonzero(serves & ~is_male)
        share = popularity[bulls] / popularity[bulls].sum()
        sire.append(rng.choice(bulls, size=per_year, p=share))
        dam.append(rng.choice(cows, size=per_year))
        sex.append(np.repeat([FEMALE, MALE], [design.calves_a_year, design.bulls_a_year]))
        birth.append(np.full(per_year, year))
        popularity = np.concatenate([popularity, rng.gamma(design.sire_shape, size=per_year)])
    return Pedigree(*(np.concatenate(part).astype(np.int64) for part in (sire, dam, sex, birth)))


def litter_pedigree(n_pairs: int, n_offspring: Sequence[int], rng: np.random.Generator) -> Pedigree:
    """One generation of litters in several groups, each with breeding pairs of its own.

    Args:
        n_pairs: Breeding pairs of a group; all are founders.
        n_offspring: Offspring of each group, spread over its pairs at random.
        rng: The source of chance.

    Returns:
        The founders, group by group, sire and dam of a pair side by side, then the offspring, group by group and litter by litter.
    """
    n_founders = 2 * n_pairs * len(n_offspring)
    pair = np.concatenate([n_pairs * group + np.sort(rng.integers(0, n_pairs, size=count)) for group, count in enumerate(n_offspring)])
    none = np.full(n_founders, FOUNDER)
    return Pedigree(
        sire=np.concatenate([none, 2 * pair]),
        dam=np.concatenate([none, 2 * pair + 1]),
        sex=np.concatenate([np.tile([MALE, FEMALE], n_founders // 2), rng.integers(FEMALE, MALE + 1, size=len(pair))]),
        birth=np.repeat([0, 1], [n_founders, len(pair)]),
    )
