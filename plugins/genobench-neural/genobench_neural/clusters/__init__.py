"""The generator and critic along the genome that begin with haplotype clusters and effects of the condition."""
