"""Statistical genetics as pure functions on arrays of calls; each cites its source and is tested against another program."""

from genobench.statgen.cluster_paths import cluster_pairs
from genobench.statgen.correlation import correlation_score
from genobench.statgen.discrimination import (
    FEWEST_FAMILIES,
    ShareAbove,
    auc_with_interval,
    auc_with_standard_error,
    best_advantage,
    share_above_all,
    true_positive_rate,
    true_positive_rate_interval,
    wilson_interval,
)
from genobench.statgen.distributions import wasserstein_distance
from genobench.statgen.fixation import FstTerms, aggregate_fst, hudson_fst, weir_cockerham_fst
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
from genobench.statgen.gamete_clusters import fit_gamete_clusters
from genobench.statgen.genetic_path import GeneticPath
from genobench.statgen.haplotype_clusters import HaplotypeClusters
from genobench.statgen.haplotypes import UnlikelyPhases, haplotype_calls, unlikely_phases
from genobench.statgen.hardy_weinberg import hardy_weinberg_log10_p
from genobench.statgen.heritability import haseman_elston, reml_heritability
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
from genobench.statgen.layout import BlockLayout, chromosome_numbers, steps_along
from genobench.statgen.linkage import corrected_r2, filled_positions_bp, r2_matrix
from genobench.statgen.linkage_agreement import FarAgreement, NearAgreement, far_agreement, ld_scores, near_agreement
from genobench.statgen.linkage_decay import LD_EDGES_BP, LD_EDGES_CM, LdDecay, ld_decay
from genobench.statgen.manifolds import (
    ManifoldScores,
    adversarial_accuracy,
    adversarial_accuracy_without,
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
)
from genobench.statgen.phasing import SwitchErrors, infer_phase, phased_haplotypes, switch_errors
from genobench.statgen.relationship import vanraden_1, vanraden_2
from genobench.statgen.resampling import genome_blocks, jackknife_standard_error, sample_groups
from genobench.statgen.segments import longest_shared_segment
from genobench.statgen.structure import PrincipalComponents
from genobench.statgen.transport import SlicedClouds, sliced_wasserstein, sorted_wasserstein
from genobench.statgen.unphased_clusters import BlockedCallMatrix, BlockedCalls, fit_haplotype_clusters

__all__ = [
    "FEWEST_FAMILIES",
    "HIDDEN_EVERY",
    "LD_EDGES_BP",
    "LD_EDGES_CM",
    "MAX_BP_PER_VARIANT",
    "SECOND_DEGREE",
    "BlockLayout",
    "BlockedCallMatrix",
    "BlockedCalls",
    "FarAgreement",
    "FstTerms",
    "GeneticPath",
    "HaplotypeClusters",
    "Imputer",
    "LdDecay",
    "ManifoldScores",
    "NearAgreement",
    "PrincipalComponents",
    "Runs",
    "ShareAbove",
    "SlicedClouds",
    "SwitchErrors",
    "UnlikelyPhases",
    "adversarial_accuracy",
    "adversarial_accuracy_without",
    "aggregate_fst",
    "alt_frequency",
    "alt_frequency_from_counts",
    "auc_with_interval",
    "auc_with_standard_error",
    "best_advantage",
    "chromosome_numbers",
    "cluster_pairs",
    "corrected_r2",
    "correlation_score",
    "covered_genome",
    "expected_heterozygosity",
    "expected_heterozygosity_from_counts",
    "far_agreement",
    "filled_positions_bp",
    "fit_gamete_clusters",
    "fit_haplotype_clusters",
    "genome_blocks",
    "genotype_counts",
    "genotype_frequencies",
    "genotype_frequencies_from_counts",
    "haplotype_calls",
    "hardy_weinberg_log10_p",
    "haseman_elston",
    "heterozygosity_components",
    "hidden_variants",
    "hudson_fst",
    "identity_by_state",
    "infer_phase",
    "is_autosome",
    "is_dense",
    "jackknife_standard_error",
    "king_between",
    "king_robust",
    "kinship_clusters",
    "ld_decay",
    "ld_scores",
    "longest_shared_segment",
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
    "phased_haplotypes",
    "population_inbreeding",
    "precision_recall_curve",
    "r2_matrix",
    "relative_clusters",
    "relative_components",
    "reml_heritability",
    "runs_of_homozygosity",
    "sample_call_rate",
    "sample_counts",
    "sample_groups",
    "sample_heterozygosity",
    "sample_inbreeding",
    "share_above_all",
    "sliced_wasserstein",
    "sorted_wasserstein",
    "steps_along",
    "switch_errors",
    "true_positive_rate",
    "true_positive_rate_interval",
    "unlikely_phases",
    "vanraden_1",
    "vanraden_2",
    "variant_call_rate",
    "wasserstein_distance",
    "weir_cockerham_fst",
    "wilson_interval",
]
