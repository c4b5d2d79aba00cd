"""Neural generators of genotypes, and neural classifiers, for genobench.

This module holds the hook alone and imports nothing heavy: torch comes with the class that is asked for.
"""

from __future__ import annotations

from genobench import Offer, hookimpl

__all__ = ["genobench_classifiers", "genobench_generators"]


@hookimpl
def genobench_generators() -> list[Offer]:
    """The generators of this distribution."""
    return [
        Offer(
            name="vae",
            target="genobench_neural.vae:Vae",
            summary="Variational autoencoder whose decoder sees each variant's neighbours; the published ones as presets.",
        ),
        Offer(
            name="gan",
            target="genobench_neural.gan:Gan",
            summary="GAN with Gumbel-softmax genotypes, begun with haplotype clusters and families; the published ones as presets.",
        ),
        Offer(
            name="wgan",
            target="genobench_neural.wgan:Wgan",
            summary="Conditional WGAN-GP, begun with haplotype clusters and effects of the condition; the published ones as presets.",
        ),
        Offer(
            name="ctgan",
            target="genobench_neural.ctgan:Ctgan",
            summary="CTGAN, written from its paper: conditional vector, training by sampling, critic of packs; up to 20,000 variants.",
        ),
        Offer(
            name="rbm",
            target="genobench_neural.rbm:Rbm",
            summary="Restricted Boltzmann machine with local and genome-wide hidden units.",
        ),
        Offer(
            name="dp-markov",
            target="genobench_neural.dp_markov:DpMarkov",
            summary="Differentially private: a Markov chain of haplotypes fitted to frequencies and covariances with Gaussian noise.",
        ),
        Offer(
            name="dp-autoregressive",
            target="genobench_neural.dp_autoregressive:DpAutoregressive",
            summary="Differentially private: an autoregression of genotypes along chromosomes, trained by DP-SGD.",
        ),
        Offer(
            name="diffusion",
            target="genobench_neural.diffusion:Diffusion",
            summary="Denoising diffusion over principal component scores, chromosome by chromosome; the published ones as presets.",
        ),
        Offer(
            name="latent-flow",
            target="genobench_neural.latent_flow:LatentFlow",
            summary="Flow matching over a genome-wide code of families and populations, decoded to haplotype clusters.",
        ),
        Offer(
            name="virtual-progeny",
            target="genobench_neural.virtual_progeny:VirtualProgeny",
            summary="Meiosis of parents inferred from large families, mated anew, and of parents made up from haplotype clusters.",
        ),
    ]


@hookimpl
def genobench_classifiers() -> list[Offer]:
    """The classifiers of this distribution."""
    return [
        Offer(
            name="mlp",
            target="genobench_neural.mlp:Mlp",
            summary="Multilayer perceptrons on all calls, added to a ridge regression where they help.",
        ),
        Offer(
            name="cnn",
            target="genobench_neural.cnn:Cnn",
            summary="Convolutions along each chromosome, added to a ridge regression where they help.",
        ),
        Offer(
            name="image-cnn",
            target="genobench_neural.image_cnn:ImageCnn",
            summary="The genome as an image along Hilbert's curve, and convolutions over it, without a linear part.",
        ),
    ]
