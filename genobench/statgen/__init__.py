"""Statistical genetics as pure functions on arrays of calls; each cites its source and is tested against another program."""

from genobench.statgen.discrimination import (
    auc_with_standard_error,
    true_positive_rate,
    true_positive_rate_interval,
    wilson_interval,
)
from genobench.statgen.frequency import (
    alt_frequency,
    expected_heterozygosity,
    genotype_counts,
    genotype_frequencies,
    is_autosome,
    minor_allele_frequency,
    observed_heterozygosity,
)
from genobench.statgen.impute import Imputer
from genobench.statgen.kinship import SECOND_DEGREE, king_robust, kinship_clusters, relative_clusters, relative_components
from genobench.statgen.linkage import LD_EDGES_BP, LdDecay, corrected_r2, filled_positions_bp, ld_decay, r2_matrix
from genobench.statgen.manifolds import (
    ManifoldScores,
    adversarial_accuracy,
    adversarial_accuracy_without,
    manifold_precision_recall,
    manifold_scores,
    manifold_scores_without,
    precision_recall_curve,
)
from genobench.statgen.neighbours import (
    HIDDEN_EVERY,
    hidden_variants,
    nearest_distance,
    nearest_distances,
    neighbour_radii,
    neighbour_radius,
    pairwise,
    pairwise_distances,
)
from genobench.statgen.resampling import genome_blocks, jackknife_standard_error, sample_groups
from genobench.statgen.structure import PrincipalComponents

__all__ = [
    "HIDDEN_EVERY",
    "LD_EDGES_BP",
    "SECOND_DEGREE",
    "Imputer",
    "LdDecay",
    "ManifoldScores",
    "PrincipalComponents",
    "adversarial_accuracy",
    "adversarial_accuracy_without",
    "alt_frequency",
    "auc_with_standard_error",
    "corrected_r2",
    "expected_heterozygosity",
    "filled_positions_bp",
    "genome_blocks",
    "genotype_counts",
    "genotype_frequencies",
    "hidden_variants",
    "is_autosome",
    "jackknife_standard_error",
    "king_robust",
    "kinship_clusters",
    "ld_decay",
    "manifold_precision_recall",
    "manifold_scores",
    "manifold_scores_without",
    "minor_allele_frequency",
    "nearest_distance",
    "nearest_distances",
    "neighbour_radii",
    "neighbour_radius",
    "observed_heterozygosity",
    "pairwise",
    "pairwise_distances",
    "precision_recall_curve",
    "r2_matrix",
    "relative_clusters",
    "relative_components",
    "sample_groups",
    "true_positive_rate",
    "true_positive_rate_interval",
    "wilson_interval",
]
