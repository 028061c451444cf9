"""Laws over architectures that can be sampled and steered; ``generator`` makes one by name."""

from pathlib import Path
from typing import Any

from nagkit import arguments
from nagkit.generators.generator import Generator  # first, as the module takes the name of the function below
from nagkit.generators.masked_diffusion import MaskedDiffusion
from nagkit.space import SearchSpace
from nagkit.weights import shipped

OPTIONS = {
    "masked-diffusion": ("steps",),
    "exact-prior": ("steps",),
    "uniform-diffusion": ("steps",),
    "continuous-diffusion": ("sampler", "steps", "published"),
    "latent": ("steps",),
    "autoregressive": ("floor", "model"),
}
GENERATORS = tuple(OPTIONS)


def generator(name: str, space: SearchSpace, **options: Any) -> Generator:
    """A generator over a space.

    ``"masked-diffusion"`` has the trained denoiser, ``"exact-prior"`` the law of the space instead. Their option
    ``steps`` is the number of denoising steps, at most one for each slot. ``"uniform-diffusion"`` changes all slots to
    the end, in ``steps`` rounds. ``"continuous-diffusion"`` follows the score of the space, with the options
    ``sampler`` (``"heun"``, ``"euler"``, ``"em"`` or ``"pc"``), ``steps``, and ``published`` (the sampler of
    DiffusionNAG, which was guided by ``Guidance(method="gradient")``). ``"latent"`` has latent variables, and
    ``encode`` and ``decode`` between them and architectures. ``"autoregressive"`` grows graphs node by node and has
    ``log_probability``; a share ``floor`` of each of its choices is uniform. Its option ``model`` is ``"graph"``, or
    for any space ``"recurrent"`` or ``"independent"``, which decide slot by slot.
    """
    arguments.instance("space", space, SearchSpace, "nagkit.space('nas-bench-201')")
    arguments.one_of("generator", name, GENERATORS)
    for option in options:
        arguments.one_of(f"option of {name}", option, OPTIONS[name])
    if name == "continuous-diffusion":
        from nagkit.generators.continuous_diffusion import ContinuousDiffusion, posterior_of, settings

        return ContinuousDiffusion(space, posterior_of(space, weights(space, "continuous")), settings(space, **options))
    if name == "uniform-diffusion":
        from nagkit.generators.uniform_diffusion import UniformDiffusion

        return UniformDiffusion(space, **options)
    if name == "latent":
        from nagkit.generators.latent import LatentGenerator

        return LatentGenerator.load(space, **options)
    if name == "autoregressive":
        from nagkit.generators.autoregressive import AutoregressiveGenerator

        return AutoregressiveGenerator.load(space, **options)
    if name == "exact-prior":
        return MaskedDiffusion(space, space.belief, **options)
    from nagkit.diffusion import denoiser

    return MaskedDiffusion(space, denoiser.load(weights(space), space).belief, **options)


def weights(space: SearchSpace, process: str = "masked") -> Path:
    """Where the trained denoiser of a space and a diffusion process lies; ``nagkit train`` remakes it."""
    return shipped(space.name if process == "masked" else f"{space.name}-{process}")
