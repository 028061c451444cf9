"""Laws over architectures that can be sampled and steered; ``generator`` makes one by name."""

from importlib import resources
from pathlib import Path

from nagkit import arguments
from nagkit.generators.generator import Generator  # first, as the module takes the name of the function below
from nagkit.generators.masked_diffusion import MaskedDiffusion
from nagkit.space import SearchSpace

GENERATORS = ("masked-diffusion", "exact-prior")


def generator(name: str, space: SearchSpace, steps: int | None = None) -> Generator:
    """A generator over a space: ``"masked-diffusion"`` with the trained denoiser, or ``"exact-prior"`` without one.

    ``steps`` is the number of denoising steps, at most one for each slot. The exact prior is for spaces whose law is
    a product of uniform slots.
    """
    arguments.instance("space", space, SearchSpace, "nagkit.space('nas-bench-201')")
    if arguments.one_of("generator", name, GENERATORS) == "exact-prior":
        return MaskedDiffusion(space, space.belief, steps)
    from nagkit.diffusion.denoiser import load

    return MaskedDiffusion(space, load(weights(space), space).belief, steps)


def weights(space: SearchSpace) -> Path:
    """Where the trained denoiser of a space lies; ``nagkit train`` remakes it."""
    return Path(str(resources.files("nagkit_data"))) / "weights" / f"{space.name}.safetensors"
