"""How well classes and values are predicted: shares, ranks, probabilities, correlations, and what they are worth within families.

Classes are numbers, their place among all classes; the class that is called is the most probable one, the first of several. A score that is
not defined for its samples (no sample, one class, values all alike) is NaN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Places = NDArray[np.intp]

LEAST_PROBABILITY: Final = 1e-6
"""Probabilities below this count as this in a log loss, so that one certain error does not make it infinite."""


def balanced_accuracy(truth: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean over classes of the share of samples whose class is called right; guessing gives one over the number of classes.

    Args:
        truth: The place of each sample's class, shape (n_samples,).
        probabilities: Of each class, shape (n_samples, n_classes).

    Returns:
        In [0, 1], over the classes that occur in `truth`; NaN without samples.

    Raises:
        ValueError: If the shapes do not fit, or a class has no column.

    References:
        Brodersen K.H. et al. 2010. The balanced accuracy and its posterior distribution. ICPR: 3121-3124.
        https://doi.org/10.1109/ICPR.2010.764
    """
    true, chances = _classes(truth, probabilities)
    return _mean_over_classes((chances.argmax(axis=1) == true).astype(np.float64), true)


def macro_f1(truth: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean over classes of F1, the harmonic mean of the share found of a class and the share right among those called it.

    Args:
        truth: The place of each sample's class, shape (n_samples,).
        probabilities: Of each class, shape (n_samples, n_classes).

    Returns:
        In [0, 1], over the classes that occur in `truth` or are called; NaN without samples.

    Raises:
        ValueError: If the shapes do not fit, or a class has no column.

    References:
        The mean of F1 scores, not F1 of means: Opitz J., Burst S. 2019. Macro F1 and Macro F1. https://arxiv.org/abs/1911.03347
    """
    counts = _confusion(*_classes(truth, probabilities))
    either = counts.sum(axis=0) + counts.sum(axis=1)
    occurs = either > 0
    return float(np.mean(2 * np.diag(counts)[occurs] / either[occurs])) if occurs.any() else float("nan")


def auroc(truth: ArrayLike, probabilities: ArrayLike) -> float:
    """Area under the ROC curve: of two classes that of the second; of more the mean over classes of each against all others.

    Args:
        truth: The place of each sample's class, shape (n_samples,).
        probabilities: Of each class, shape (n_samples, n_classes).

    Returns:
        In [0, 1], a tie counting one half, over the classes that occur in `truth`; NaN where fewer than two do.

    Raises:
        ValueError: If the shapes do not fit, or a class has no column.

    References:
        Hanley J.A., McNeil B.J. 1982. Radiology 143: 29-36, by ranks. https://doi.org/10.1148/radiology.143.1.7063747 ; one class against
        the rest: Fawcett T. 2006. An introduction to ROC analysis. Pattern Recognition Letters 27: 861-874, section 9.2, here with the same
        weight for each class. https://doi.org/10.1016/j.patrec.2005.10.010
    """
    true, chances = _classes(truth, probabilities)
    present = np.flatnonzero(np.bincount(true, minlength=chances.shape[1]))
    if len(present) < 2:
        return float("nan")
    compared = present[1:] if chances.shape[1] == 2 else present
    return float(np.mean([_rank_auc(chances[:, place], true == place) for place in compared]))


def balanced_log_loss(truth: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean over classes of the mean negative log probability of the true class.

    Args:
        truth: The place of each sample's class, shape (n_samples,).
        probabilities: Of each class, shape (n_samples, n_classes); below `LEAST_PROBABILITY` they count as that.

    Returns:
        In nats, 0 or more; the log of the number of classes where all are as probable. NaN without samples.

    Raises:
        ValueError: If the shapes do not fit, or a class has no column.

    References:
        The logarithmic score: Gneiting T., Raftery A.E. 2007. Strictly proper scoring rules, prediction, and estimation. Journal of the
        American Statistical Association 102: 359-378, equation 18. https://doi.org/10.1198/016214506000001437
    """
    true, chances = _classes(truth, probabilities)
    return _mean_over_classes(-np.log(np.maximum(chances[np.arange(len(true)), true], LEAST_PROBABILITY)), true)


def balanced_brier(truth: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean over classes of the mean squared distance between probabilities and what is true (1 for the true class, 0 for the others).

    Args:
        truth: The place of each sample's class, shape (n_samples,).
        probabilities: Of each class, shape (n_samples, n_classes).

    Returns:
        In [0, 2], for the distance is summed over classes; NaN without samples.

    Raises:
        ValueError: If the shapes do not fit, or a class has no column.

    References:
        Brier G.W. 1950. Verification of forecasts expressed in terms of probability. Monthly Weather Review 78: 1-3, equation 2, here with
        the same weight for each class, as classifiers learn them. https://doi.org/10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2
    """
    true, chances = _classes(truth, probabilities)
    is_true = np.arange(chances.shape[1]) == true[:, None]
    return _mean_over_classes(np.sum((chances - is_true) ** 2, axis=1), true)


def quadratic_kappa(truth: ArrayLike, probabilities: ArrayLike) -> float:
    """Agreement of called and true classes in order beyond chance, an error counting by the square of the classes that it spans.

    Args:
        truth: The place of each sample's class, shape (n_samples,).
        probabilities: Of each class, in order, shape (n_samples, n_classes).

    Returns:
        1 for full agreement, 0 for what chance would give with the same numbers of each class; NaN where all are called and are one class.

    Raises:
        ValueError: If the shapes do not fit, or a class has no column.

    References:
        Cohen J. 1968. Weighted kappa. Psychological Bulletin 70: 213-220. https://doi.org/10.1037/h0026256
    """
    counts = _confusion(*_classes(truth, probabilities))
    places = np.arange(len(counts))
    squares = (places[:, None] - places) ** 2
    by_chance = np.sum(squares * np.outer(counts.sum(axis=1), counts.sum(axis=0)))
    return float(1 - counts.sum() * np.sum(squares * counts) / by_chance) if by_chance > 0 else float("nan")


class ReliabilityBins(NamedTuple):
    """How often a call is right, by how sure the classifier was of it.

    Args:
        confidence: Mean probability of the called class, shape (n_bins,); NaN in an empty bin.
        share_right: Share of calls that are right, shape (n_bins,); NaN in an empty bin.
        weight: Share of all weight that is in the bin, shape (n_bins,).
    """

    confidence: Floats
    share_right: Floats
    weight: Floats


def reliability_bins(truth: ArrayLike, probabilities: ArrayLike, *, n_bins: int = 10) -> ReliabilityBins:
    """Bins of equal width over the probability of the called class; classes have the same weight in all, however many samples they have.

    Args:
        truth: The place of each sample's class, shape (n_samples,).
        probabilities: Of each class, shape (n_samples, n_classes).
        n_bins: From 0 to 1; each takes its upper end.

    Returns:
        Confidence, share right and weight of each bin.

    Raises:
        ValueError: If the shapes do not fit, a class has no column, or there is no bin.

    References:
        Guo C., Pleiss G., Sun Y., Weinberger K.Q. 2017. On calibration of modern neural networks, section 2, here with weights.
        https://arxiv.org/abs/1706.04599
    """
    true, chances = _classes(truth, probabilities)
    if n_bins < 1:
        raise ValueError(f"reliability needs at least one bin, not {n_bins}.")
    called = chances.argmax(axis=1)
    confidence = chances[np.arange(len(true)), called]
    counts = np.bincount(true, minlength=chances.shape[1])
    weights: Floats = 1.0 / (counts[true] * max(1, int(np.count_nonzero(counts))))
    bins = np.clip(np.ceil(confidence * n_bins).astype(np.intp) - 1, 0, n_bins - 1)
    weight: Floats = np.bincount(bins, weights, minlength=n_bins).astype(np.float64)
    filled = np.where(weight > 0, weight, np.nan)
    return ReliabilityBins(
        confidence=np.bincount(bins, weights * confidence, minlength=n_bins) / filled,
        share_right=np.bincount(bins, weights * (called == true), minlength=n_bins) / filled,
        weight=weight,
    )


def expected_calibration_error(truth: ArrayLike, probabilities: ArrayLike, *, n_bins: int = 10) -> float:
    """Mean over bins of the distance between the probability of the called class and the share of such calls that are right.

    Few samples in a bin scatter, and the distance has no sign: with n samples of classes of equal size even a calibrated
    classifier has an error of up to 0.4 sqrt(n_bins / n). Compare it between classifiers on the same holdout.

    Args:
        truth: The place of each sample's class, shape (n_samples,).
        probabilities: Of each class, shape (n_samples, n_classes).
        n_bins: As in `reliability_bins`, as are the weights.

    Returns:
        In [0, 1]; NaN without samples.

    Raises:
        ValueError: If the shapes do not fit, a class has no column, or there is no bin.

    References:
        Naeini M.P., Cooper G.F., Hauskrecht M. 2015. Obtaining well calibrated probabilities using Bayesian binning. AAAI 29.
        https://doi.org/10.1609/aaai.v29i1.9602
    """
    bins = reliability_bins(truth, probabilities, n_bins=n_bins)
    total = bins.weight.sum()
    return float(np.nansum(bins.weight * np.abs(bins.share_right - bins.confidence))) if total > 0 else float("nan")


def pearson_r(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Correlation of true and predicted values.

    Args:
        truth: Values, shape (n_samples,).
        predicted: Values, shape (n_samples,).

    Returns:
        In [-1, 1]; NaN where either is all alike, predictions also where they differ by rounding alone.

    Raises:
        ValueError: If the shapes do not fit.

    References:
        Pearson K. 1896. Philosophical Transactions of the Royal Society A 187: 253-318. https://doi.org/10.1098/rsta.1896.0007
    """
    true, told = _values(truth, predicted)
    if not len(true):
        return float("nan")
    centred = true - true.mean()
    return _correlation(centred, told - told.mean(), told) if _is_spread(centred, true) else float("nan")


def explained_share(truth: ArrayLike, predicted: ArrayLike) -> float:
    """R²: one less the squared error over the squared deviation from the mean of the very samples that are predicted.

    Args:
        truth: Values, shape (n_samples,).
        predicted: Values, shape (n_samples,).

    Returns:
        At most 1, negative where the mean would predict better; NaN where `truth` is all alike.

    Raises:
        ValueError: If the shapes do not fit.

    References:
        Kvålseth T.O. 1985. Cautionary note about R². The American Statistician 39: 279-285, the first of its definitions.
        https://doi.org/10.1080/00031305.1985.10479448
    """
    true, told = _values(truth, predicted)
    centred = true - true.mean() if len(true) else true
    return float(1 - np.sum((true - told) ** 2) / np.sum(centred**2)) if _is_spread(centred, true) else float("nan")


def mean_squared_error(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Mean squared difference of true and predicted values.

    Args:
        truth: Values, shape (n_samples,).
        predicted: Values, shape (n_samples,).

    Returns:
        In the square of the trait's unit; NaN without samples.

    Raises:
        ValueError: If the shapes do not fit.

    References:
        The quadratic score of a mean: Gneiting T. 2011. Making and evaluating point forecasts. Journal of the American Statistical
        Association 106: 746-762. https://doi.org/10.1198/jasa.2011.r10138
    """
    true, told = _values(truth, predicted)
    return float(np.mean((true - told) ** 2)) if len(true) else float("nan")


class CalibrationLine(NamedTuple):
    """The regression of true on predicted values.

    Args:
        slope: 1 where a difference in prediction means as much in truth; below 1 where predictions spread too far. NaN where predictions
            are all alike.
        intercept: 0 where the slope is 1 and predictions are right on average; NaN with the slope.
    """

    slope: float
    intercept: float


def calibration_line(truth: ArrayLike, predicted: ArrayLike) -> CalibrationLine:
    """Slope and intercept of the regression of true on predicted values.

    Args:
        truth: Values, shape (n_samples,).
        predicted: Values, shape (n_samples,).

    Raises:
        ValueError: If the shapes do not fit.

    References:
        The slope is the dispersion of breeding values: Legarra A., Reverter A. 2018. Genetics Selection Evolution 50: 53.
        https://doi.org/10.1186/s12711-018-0426-6
    """
    true, told = _values(truth, predicted)
    if not len(true):
        return CalibrationLine(float("nan"), float("nan"))
    x = told - told.mean()
    spread = float(np.sum(x**2))
    if not np.sqrt(spread) > _rounding(told):
        return CalibrationLine(float("nan"), float("nan"))
    slope = float(np.sum(x * (true - true.mean())) / spread)
    return CalibrationLine(slope, float(true.mean() - slope * told.mean()))


def accuracy_of_genetic_values(correlation: float, heritability: float) -> float:
    """r/h: the correlation of predictions with genetic values, where the rest of the trait has nothing to do with them.

    Args:
        correlation: Of predicted and true values.
        heritability: h², the share of the trait's variance that is genetic, in (0, 1].

    Returns:
        The correlation divided by h; above 1 where it has noise on its side, or where predictions know what is not genetic.

    Raises:
        ValueError: If the heritability is not in (0, 1].

    References:
        Legarra A., Robert-Granié C., Manfredi E., Elsen J.-M. 2008. Performance of genomic selection in mice. Genetics 180: 611-618.
        https://doi.org/10.1534/genetics.108.088575
    """
    if not 0 < heritability <= 1:
        raise ValueError(f"a heritability is a share of variance above 0 and at most 1, not {heritability}.")
    return correlation / float(np.sqrt(heritability))


def within_group_r(truth: ArrayLike, predicted: ArrayLike, groups: ArrayLike) -> float:
    """Correlation of true and predicted values about the means of their groups, pooled over groups.

    What a prediction knows beyond which family, vendor or batch a sample is of.

    Args:
        truth: Values, shape (n_samples,).
        predicted: Values, shape (n_samples,).
        groups: A label for each sample, shape (n_samples,).

    Returns:
        In [-1, 1]; NaN where no group has two samples that differ.

    Raises:
        ValueError: If the shapes do not fit.

    References:
        Bland J.M., Altman D.G. 1995. Calculating correlation coefficients with repeated observations: part 1, correlation within subjects.
        BMJ 310: 446. https://doi.org/10.1136/bmj.310.6977.446
    """
    true, told = _values(truth, predicted)
    labels = np.asarray(groups)
    if labels.shape != true.shape:
        raise ValueError(f"there are {len(true)} values and groups of shape {labels.shape}; each value needs one group.")
    number = np.unique(labels, return_inverse=True)[1]
    sizes = np.bincount(number)
    true_within, told_within = (side - (np.bincount(number, side) / sizes)[number] for side in (true, told))
    return _correlation(true_within, told_within, told) if _is_spread(true_within, true) else float("nan")


def _classes(truth: ArrayLike, probabilities: ArrayLike) -> tuple[Places, Floats]:
    """True places and probabilities as arrays that fit each other."""
    true, chances = np.asarray(truth), np.asarray(probabilities, dtype=np.float64)
    if true.ndim != 1 or chances.ndim != 2 or len(true) != len(chances):
        raise ValueError(f"true classes have shape {true.shape} and probabilities {chances.shape}; they must be (n,) and (n, n_classes).")
    if len(true) and not np.issubdtype(true.dtype, np.integer):
        raise ValueError(f"true classes are the places of their columns, whole numbers, not {true.dtype}.")
    if len(true) and not 0 <= true.min() <= true.max() < chances.shape[1]:
        raise ValueError(f"true classes go from {true.min()} to {true.max()}, but probabilities have columns 0 to {chances.shape[1] - 1}.")
    return true.astype(np.intp), chances


def _values(truth: ArrayLike, predicted: ArrayLike) -> tuple[Floats, Floats]:
    """True and predicted values as arrays that fit each other."""
    true, told = np.asarray(truth, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if true.ndim != 1 or true.shape != told.shape:
        raise ValueError(f"true values have shape {true.shape} and predicted ones {told.shape}; both must be (n_samples,).")
    return true, told


def _mean_over_classes(values: Floats, classes: Places) -> float:
    """Mean over the classes that occur of the mean value within each."""
    counts = np.bincount(classes)
    return float(np.mean(np.bincount(classes, weights=values)[counts > 0] / counts[counts > 0])) if len(values) else float("nan")


def _confusion(true: Places, chances: Floats) -> NDArray[np.int64]:
    """Samples of each true class (rows) that are called each class (columns)."""
    n_classes = chances.shape[1]
    pairs = true * n_classes + (chances.argmax(axis=1) if len(true) else true)
    return np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes).astype(np.int64)


def _rank_auc(values: Floats, is_positive: NDArray[np.bool_]) -> float:
    """The share of pairs in which the positive is above the negative, a tie counting one half."""
    negatives, positives = np.sort(values[~is_positive]), values[is_positive]
    beaten = np.searchsorted(negatives, positives, side="left") + np.searchsorted(negatives, positives, side="right")
    return float(beaten.sum() / (2 * len(positives) * len(negatives)))


def _is_spread(centred: Floats, values: Floats) -> bool:
    """Whether values differ by more than rounding: the mean of equal numbers is not quite theirs."""
    return float(np.sum(centred**2)) > 1e-24 * float(np.sum(values**2))


def _rounding(predicted: Floats) -> float:
    """The root of the summed squares below which predictions differ by rounding alone."""
    return 1e-12 * (1 + float(np.abs(predicted).max()))


def _correlation(true: Floats, told: Floats, predicted: Floats) -> float:
    """Correlation of centred values; NaN where there is no spread of the predicted ones but rounding."""
    spread = np.sqrt(np.sum(true**2) * np.sum(told**2))
    is_spread = np.sqrt(np.sum(told**2)) > _rounding(predicted)
    return float(np.sum(true * told) / spread) if is_spread else float("nan")
