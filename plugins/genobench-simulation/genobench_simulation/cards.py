"""What the cards of the simulated datasets say, whatever their size."""

from __future__ import annotations

from typing import Any, Final

_SIMULATORS: Final = (
    "Baumdicker et al. 2022, Efficient ancestry and mutation simulation with msprime 1.0, Genetics, "
    "doi:10.1093/genetics/iyab229; Lauterbur et al. 2023, Expanding the stdpopsim species catalog, eLife, "
    "doi:10.7554/eLife.84874"
)

CATTLE_CARD: Final[dict[str, Any]] = {
    "title": "Holstein-like dairy cows in half-sib families (simulated)",
    "species": "Bos taurus (cattle)",
    "assembly": "ARS-UCD1.3 (lengths of the chromosomes; no animal was sequenced)",
    "source": "simulated by genobench-simulation: msprime, stdpopsim's HolsteinFriesian_1M13, then a gene drop down a dairy pedigree",
    "licence": "Apache-2.0",
    "citation": (
        "MacLeod et al. 2013, Inferring demography from runs of homozygosity in whole-genome sequence, with correction "
        "for sequence errors, Mol. Biol. Evol., doi:10.1093/molbev/mst125 (the history); "
        f"{_SIMULATORS}"
    ),
    "birth_column": "birth_year",
    "traits": [
        {
            "column": "fat_content",
            "kind": "quantitative",
            "family": "sire",
        },
    ],
    "notes": [
        "All of it is simulated; no genotype or trait value of a real animal is in it.",
        (
            "Founders come from stdpopsim's HolsteinFriesian_1M13, six generations before its present; the pedigree takes the "
            "place of those. The youngest 30 generations run under the Wright-Fisher model, older ones under the SMC'."
        ),
        (
            "60 male and 240 female founders born 1985; every year six new sires and at least 1,000 heifers; parents are two to "
            "six years old; a sire's share of a year's calves is gamma distributed (shape 2); mating is at random, without "
            "selection."
        ),
        "Recombination is stdpopsim's, 0.926 cM/Mb, with crossovers between cells of one variant each (no interference).",
        ("Genotyped cows are drawn evenly from their birth years; the dam of a genotyped cow is not genotyped; sires are not genotyped."),
        ("Chromosome 14 is covered from end to end at chip spacing (log-normal gaps); of each other autosome one block of neighbours."),
        (
            "In each cell the site nearest its centre is taken whose minor allele frequency suits a bin drawn from the histogram "
            "of 50,161 chip variants in 93,484 Holsteins (Xie et al. 2026, doi:10.1093/gigascience/giag044). Either allele may be "
            "the reference."
        ),
        (
            "fat_content is standardised. Causal variants are all among the variants: one of .20 of the variance near DGAT1 "
            "(chromosome 14, ALT frequency .37), .035 near MGST1 (chromosome 5), .023 near GHR (chromosome 20), and 400 small ones "
            "with normal effects that make up the heritability of .50. What these add up to is uncorrelated with the large ones and "
            "with the residual among these cows, by construction."
        ),
        (
            "Measured r2 is the squared correlation of calls, not corrected for the number of samples, over pairs of variants on one "
            "chromosome with minor allele frequencies of .05 or more, .75 to 1.25 of the stated distance apart."
        ),
    ],
}

RAT_CARD: Final[dict[str, Any]] = {
    "title": "Outbred rats of two vendors, Pavlovian conditioned approach (simulated)",
    "species": "Rattus norvegicus (rat)",
    "assembly": "mRatBN7.2 (lengths of the chromosomes; no animal was sequenced)",
    "source": "simulated by genobench-simulation: msprime, with stdpopsim's RatNor chromosomes, then one generation of litters",
    "licence": "Apache-2.0",
    "citation": (
        "Gileta et al. 2022, Genetic characterization of outbred Sprague Dawley rats and utility for genome-wide "
        "association studies, PLoS Genetics, doi:10.1371/journal.pgen.1010234 (what is imitated); "
        f"{_SIMULATORS}"
    ),
    "birth_column": None,
    "traits": [
        {
            "column": "pavca_index",
            "kind": "quantitative",
            "covariates": [
                "vendor",
                "facility",
                "sex",
            ],
            "family": "family",
        },
        {
            "column": "pavca_class",
            "kind": "ordinal",
            "classes": [
                "GT",
                "IR",
                "ST",
            ],
            "covariates": [
                "vendor",
                "facility",
                "sex",
            ],
            "family": "family",
        },
    ],
    "notes": [
        "All of it is simulated; no genotype or trait value of a real animal is in it.",
        (
            "An ancestral stock of effective size 2,000 split 175 generations ago into vendors of 250 (charles-river-like) and 80 "
            "(harlan-like); each split 20 generations ago into three facilities of 100. The youngest 30 generations run under the "
            "Wright-Fisher model, older ones under the SMC'. Recombination per chromosome is stdpopsim's; the mutation rate is "
            "raised, which changes only how many sites there are to choose from."
        ),
        "The last generation are litters of 50 breeding pairs a facility; `family` is the litter; parents are not genotyped.",
        (
            "Each autosome has four blocks of neighbours about 40 kb apart. In each cell the site nearest its centre is taken that "
            "suits: 82 % of the variants segregate (minor allele frequency .01 or more) charles-river-like, 44 % harlan-like, the "
            "others not at all there."
        ),
        (
            "pavca_index is tanh of a liability with 200 causal variants (all among the variants), a facility effect (.03 of the "
            "variance), a sex effect (.02) and a normal residual; its heritability within each vendor is .30 among these rats, by "
            "construction."
        ),
        "pavca_class: GT (goal-tracker) at an index of -.5 or less, ST (sign-tracker) at .5 or more, IR between.",
        (
            "Measured r2 is the squared correlation of calls, not corrected for the number of samples, over pairs of variants on one "
            "chromosome with minor allele frequencies of .05 or more, .75 to 1.25 of the stated distance apart."
        ),
        (
            "Vendor alone predicts pavca_class with a balanced accuracy of about .40 (each vendor's most common class), and of about "
            ".45 at best (GT and ST); what a model predicts beyond that, it has from genotypes, facility or sex."
        ),
    ],
}
