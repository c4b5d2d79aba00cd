"""Statistical genetics as pure functions on arrays of calls; each cites its source and is tested against another program."""

from genobench.statgen.correlation import correlation_score
from genobench.statgen.discrimination import (
    auc_with_standard_error,
    true_positive_rate,
    true_positive_rate_interval,
    wilson_interval,
)
from genobench.statgen.distributions import wasserstein_distance
from genobench.statgen.frequency import (
    alt_frequency,
    alt_frequency_from_counts,
    expected_heterozygosity,
    expected_heterozygosity_from_counts,
    genotype_counts,
    genotype_frequencies,
    genotype_frequencies_from_counts,
    is_autosome,
    minor_allele_frequency,
    observed_heterozygosity,
    sample_call_rate,
    sample_counts,
    variant_call_rate,
)
from genobench.statgen.hardy_weinberg import hardy_weinberg_log10_p
from genobench.statgen.homozygosity import MAX_BP_PER_VARIANT, Runs, covered_genome, is_dense, runs_of_homozygosity
from genobench.statgen.impute import Imputer
from genobench.statgen.inbreeding import heterozygosity_components, population_inbreeding, sample_heterozygosity, sample_inbreeding
from genobench.statgen.kinship import (
    SECOND_DEGREE,
    identity_by_state,
    king_between,
    king_robust,
    kinship_clusters,
    opposing_homozygotes,
    relative_clusters,
    relative_components,
)
from genobench.statgen.linkage import corrected_r2, filled_positions_bp, r2_matrix
from genobench.statgen.linkage_agreement import FarAgreement, NearAgreement, far_agreement, ld_scores, near_agreement
from genobench.statgen.linkage_decay import LD_EDGES_BP, LD_EDGES_CM, LdDecay, ld_decay
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
from genobench.statgen.relationship import vanraden_1, vanraden_2
from genobench.statgen.resampling import genome_blocks, jackknife_standard_error, sample_groups
from genobench.statgen.segments import longest_shared_segment
from genobench.statgen.structure import PrincipalComponents

__all__ = [
    "HIDDEN_EVERY",
    "LD_EDGES_BP",
    "LD_EDGES_CM",
    "MAX_BP_PER_VARIANT",
    "SECOND_DEGREE",
    "FarAgreement",
    "Imputer",
    "LdDecay",
    "ManifoldScores",
    "NearAgreement",
    "PrincipalComponents",
    "Runs",
    "adversarial_accuracy",
    "adversarial_accuracy_without",
    "alt_frequency",
    "alt_frequency_from_counts",
    "auc_with_standard_error",
    "corrected_r2",
    "correlation_score",
    "covered_genome",
    "expected_heterozygosity",
    "expected_heterozygosity_from_counts",
    "far_agreement",
    "filled_positions_bp",
    "genome_blocks",
    "genotype_counts",
    "genotype_frequencies",
    "genotype_frequencies_from_counts",
    "hardy_weinberg_log10_p",
    "heterozygosity_components",
    "hidden_variants",
    "identity_by_state",
    "is_autosome",
    "is_dense",
    "jackknife_standard_error",
    "king_between",
    "king_robust",
    "kinship_clusters",
    "ld_decay",
    "ld_scores",
    "longest_shared_segment",
    "manifold_precision_recall",
    "manifold_scores",
    "manifold_scores_without",
    "minor_allele_frequency",
    "near_agreement",
    "nearest_distance",
    "nearest_distances",
    "neighbour_radii",
    "neighbour_radius",
    "observed_heterozygosity",
    "opposing_homozygotes",
    "pairwise",
    "pairwise_distances",
    "population_inbreeding",
    "precision_recall_curve",
    "r2_matrix",
    "relative_clusters",
    "relative_components",
    "runs_of_homozygosity",
    "sample_call_rate",
    "sample_counts",
    "sample_groups",
    "sample_heterozygosity",
    "sample_inbreeding",
    "true_positive_rate",
    "true_positive_rate_interval",
    "vanraden_1",
    "vanraden_2",
    "variant_call_rate",
    "wasserstein_distance",
    "wilson_interval",
]
