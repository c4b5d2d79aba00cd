"""What ships with genobench, offered by the same door as any plugin: controls, linear classifiers, metrics, demo datasets."""

from __future__ import annotations

from genobench import Offer, hookimpl


@hookimpl
def genobench_generators() -> list[Offer]:
    """The controls that anchor the scale of every score, and two doors for what was made elsewhere."""
    return [
        Offer("independent", "genobench.builtin.controls:Independent", "each variant from its own genotype frequencies: the floor"),
        Offer("copy", "genobench.builtin.controls:Copy", "the training samples themselves: no privacy at all"),
        Offer("leaky", "genobench.builtin.controls:Leaky", "a stated share of training samples among independent ones"),
        Offer("command", "genobench.builtin.command:Command", "any program (R, Julia, a container) that reads and writes .bed"),
        Offer("file", "genobench.builtin.file:File", "a synthetic set that was made elsewhere, in any format"),
    ]


@hookimpl
def genobench_classifiers() -> list[Offer]:
    """Linear models of values and of classes, each beside covariates."""
    return [
        Offer("covariates", "genobench.builtin.linear.covariates_alone:CovariatesAlone", "covariates alone, without genotypes: any trait"),
        Offer("ridge", "genobench.builtin.linear.ridge:RidgeRegression", "GBLUP: ridge regression on calls, for quantitative traits"),
        Offer("lasso", "genobench.builtin.linear.lasso:Lasso", "lasso or elastic net on calls, for values and ordered classes"),
        Offer("bayesr", "genobench.builtin.linear.bayesr:BayesR", "BayesR: four normal effects, for values and ordered classes"),
        Offer(
            "prs",
            "genobench.builtin.linear.prs:PolygenicScore",
            "polygenic score: clumping and thresholding, for values and ordered classes",
        ),
        Offer(
            "ldpred",
            "genobench.builtin.linear.ldpred:LdPred",
            "polygenic score: marginal effects given linkage (LDpred2), for values and ordered classes",
        ),
        Offer("logistic", "genobench.builtin.linear.logistic:LogisticRegression", "multinomial logistic regression on calls, for classes"),
        Offer("ordinal", "genobench.builtin.linear.ordinal:OrdinalRegression", "cumulative logits on calls, for ordered classes"),
    ]


@hookimpl
def genobench_metrics() -> list[Offer]:
    """Scores of fidelity, privacy and utility."""
    return [
        Offer(
            "allele-frequency",
            "genobench.builtin.fidelity.frequencies:AlleleFrequency",
            "fidelity: allele and genotype frequencies, rare variants",
        ),
        Offer("hardy-weinberg", "genobench.builtin.fidelity.heterozygosity:HardyWeinberg", "fidelity: F_IS, Hardy-Weinberg proportions"),
        Offer("heterozygosity", "genobench.builtin.fidelity.heterozygosity:Heterozygosity", "fidelity: heterozygosity and F of samples"),
        Offer("homozygosity", "genobench.builtin.fidelity.homozygosity:RunsOfHomozygosity", "fidelity: runs of homozygosity, F_ROH"),
        Offer("ld-decay", "genobench.builtin.fidelity.linkage:LdDecayError", "fidelity: error of mean r2 over distance, within groups"),
        Offer(
            "ld-agreement", "genobench.builtin.fidelity.linkage_agreement:LdAgreement", "fidelity: which variants are linked, near and far"
        ),
        Offer(
            "precision-recall", "genobench.builtin.fidelity.manifold:PrecisionRecall", "fidelity: shares inside each other's neighbourhoods"
        ),
        Offer(
            "aats",
            "genobench.builtin.fidelity.manifold:AdversarialAccuracy",
            "fidelity: nearest-neighbour adversarial accuracy, both halves",
        ),
        Offer("pca", "genobench.builtin.fidelity.structure:PrincipalComponentFidelity", "fidelity: place and spread on train's components"),
        Offer("fst", "genobench.builtin.fidelity.structure:FixationIndex", "fidelity: Fst against the holdout, and between populations"),
        Offer("relatedness", "genobench.builtin.fidelity.relatedness:Relatedness", "fidelity: relationships within each set"),
        Offer("two-sample-test", "genobench.builtin.fidelity.two_sample:TwoSampleTest", "fidelity: a classifier between both sets"),
        Offer("imputation", "genobench.builtin.fidelity.imputation:ImputationPanel", "fidelity: synthetic samples as a reference panel"),
        Offer(
            "conditional-values", "genobench.builtin.fidelity.conditional:ConditionalValues", "fidelity: the trait goes with the genotypes"
        ),
        Offer(
            "conditional-classes",
            "genobench.builtin.fidelity.conditional:ConditionalClasses",
            "fidelity: the class goes with the genotypes",
        ),
        Offer("copies", "genobench.builtin.privacy.copies:Copies", "privacy: synthetic samples that are training samples"),
        Offer("membership-distance", "genobench.builtin.privacy.nearest:MembershipDistance", "privacy: nearest-distance membership attack"),
        Offer("calibrated-distance", "genobench.builtin.privacy.calibrated:CalibratedDistance", "privacy: distance against a reference"),
        Offer("density-ratio", "genobench.builtin.privacy.density:DensityRatio", "privacy: density against a reference (DOMIAS)"),
        Offer("shared-segment", "genobench.builtin.privacy.relatives:SharedSegment", "privacy: longest shared stretch of genome"),
        Offer("opposing-homozygotes", "genobench.builtin.privacy.relatives:OpposingHomozygotes", "privacy: parent-and-child test"),
        Offer("kinship-replay", "genobench.builtin.privacy.relatives:KinshipReplay", "privacy: kin of train against kin of nonmembers"),
        Offer("learned-attack", "genobench.builtin.privacy.learned:LearnedAttack", "privacy: a classifier on what the others go by"),
        Offer("closest-records", "genobench.builtin.privacy.diagnostics:ClosestRecords", "diagnostic, not privacy: DCR and NNDR"),
        Offer(
            "aats-privacy-loss",
            "genobench.builtin.privacy.diagnostics:AdversarialAccuracyLoss",
            "diagnostic, not privacy: adversarial accuracy, nonmembers less train",
        ),
        Offer("frequency-lr", "genobench.builtin.privacy.frequencies:FrequencyLikelihoodRatio", "privacy: attack on allele frequencies"),
        Offer("beacon", "genobench.builtin.privacy.frequencies:Beacon", "privacy: attack on the presence of rare alleles"),
        Offer(
            "hidden-variants",
            "genobench.builtin.privacy.attributes:HiddenVariantInference",
            "privacy: hidden variants read off a neighbour",
        ),
        Offer("trait-value-inference", "genobench.builtin.privacy.attributes:TraitValueInference", "privacy: trait read off a neighbour"),
        Offer("trait-class-inference", "genobench.builtin.privacy.attributes:TraitClassInference", "privacy: class read off a neighbour"),
        Offer(
            "tstr-values", "genobench.builtin.utility:TrainOnSyntheticValues", "utility: quantitative trait, trained on synthetic samples"
        ),
        Offer("tstr-classes", "genobench.builtin.utility:TrainOnSyntheticClasses", "utility: classes, trained on synthetic samples"),
        Offer("gwas", "genobench.builtin.association.gwas:AssociationStudy", "utility: association studies agree, linear model"),
        Offer("gwas-mixed", "genobench.builtin.association.gwas:MixedAssociationStudy", "utility: association studies agree, mixed model"),
        Offer(
            "variant-importance",
            "genobench.builtin.association.importance:VariantImportance",
            "utility: models put weight on the same windows of the genome",
        ),
        *_published_by_discretegenogen(),
    ]


def _published_by_discretegenogen() -> list[Offer]:
    """Left out of runs unless asked for by name."""
    offers = {
        "dgg-precision": ("Precision", "share of synthetic samples in neighbourhoods of training ones"),
        "dgg-recall": ("Recall", "share of training samples in neighbourhoods of synthetic ones"),
        "dgg-aats": ("AdversarialAccuracy", "nearest-neighbour adversarial accuracy against train"),
        "dgg-aats-real": ("AdversarialAccuracyReal", "its half for training samples"),
        "dgg-aats-synthetic": ("AdversarialAccuracySynthetic", "its half for synthetic samples"),
        "dgg-fst": ("FixationIndex", "aggregated fixation index against train"),
        "dgg-corr": ("CorrelationScore", "correlation of all correlations between variants with those in train"),
        "dgg-allele-frequency-r": ("AlleleFrequencyCorrelation", "correlation of ALT frequencies with those in train"),
        "dgg-genotype-frequency-r": ("GenotypeFrequencyCorrelation", "correlation of genotype frequencies with those in train"),
    }
    return [
        Offer(name, f"genobench.builtin.discretegenogen:{target}", f"fidelity as DiscreteGenoGen defines it: {summary}")
        for name, (target, summary) in offers.items()
    ]


@hookimpl
def genobench_datasets() -> list[Offer]:
    """Two simulated datasets that need no download."""
    return [
        Offer(
            "cattle-demo",
            "genobench.builtin.demos:CattleDemo",
            "1,950 simulated dairy cows in half-sib families x 4,011 variants; fat content",
        ),
        Offer(
            "rat-demo",
            "genobench.builtin.demos:RatDemo",
            "1,900 simulated outbred rats of two vendors x 3,840 variants; PavCA index, classes",
        ),
    ]
