"""Uniform discrete diffusion: noise replaces symbols by others, and every slot may change until the end.

Notation: n samples, L slots, K symbols, k_l of them in slot l; x clean, y noisy. At time t a symbol is its own with
probability 1 - t, otherwise any of its slot, equally likely (Austin et al., 2021, *Structured denoising diffusion
models in discrete state-spaces*, appendix A.2.1, in continuous time). Backwards, a clean architecture is drawn given
the noisy one, here by a ``Chain`` with what the noisy symbols tell as evidence, so that guidance and grammar hold for
it as a whole; then noise is put back for the next, earlier time.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int

from nagkit.diffusion.chain import Chain
from nagkit.diffusion.energy import Energy
from nagkit.diffusion.masked import Frame
from nagkit.space import UNDECIDED, SearchSpace


def denoise(space: SearchSpace, energy: Energy | None, n: int, steps: int, rng: np.random.Generator) -> Iterator[Frame]:
    """The frames of a batch, ``steps + 1`` of them; slots count as undecided until the last."""
    direction = np.floor(rng.random(n) * (len(energy.directions) if energy else 1)).astype(int)
    noisy = np.floor(rng.random((n, len(space.slots))) * space.radices).astype(int)
    chain, open_ = Chain(space, energy, direction, rng), np.full(noisy.shape, UNDECIDED)
    belief = space.belief(open_)
    for step, times in enumerate(pairwise(np.linspace(1, 0, steps + 1))):
        told = evidence(space, noisy, times[0])
        chain.begin(belief + told, open_, told)
        yield Frame(step, steps, open_.copy(), chain.probability(open_))
        for slot in rng.permutation(len(space.slots)):
            chain.decided(open_, np.full(n, slot))
        noisy = renoised(space, chain.rows, noisy, times, rng)
    yield Frame(steps, steps, chain.rows.copy(), chain.probability(chain.rows))


def evidence(space: SearchSpace, noisy: Int[np.ndarray, "n L"], time: float) -> Float[np.ndarray, "n L K"]:
    """The log probability of the noisy symbols at a time in (0, 1], for each symbol that the clean one may be."""
    same = noisy[:, :, None] == np.arange(space.radices.max())
    return np.log((1 - time) * same + time / space.radices[:, None])


def renoised(
    space: SearchSpace,
    clean: Int[np.ndarray, "n L"],
    noisy: Int[np.ndarray, "n L"],
    times: tuple[float, float],
    rng: np.random.Generator,
) -> Int[np.ndarray, "n L"]:
    """Noisy symbols at the second, earlier time, given the clean ones and those at the first (ibid., eq. 3)."""
    time, earlier = times
    symbols = np.arange(space.radices.max())
    kept = (1 - time) / (1 - earlier) if earlier < 1 else 1.0
    forward = kept * (noisy[:, :, None] == symbols) + (1 - kept) / space.radices[:, None]
    weight = forward * ((1 - earlier) * (clean[:, :, None] == symbols) + earlier / space.radices[:, None])
    weight = np.where(symbols < space.radices[:, None], weight, 0)
    return (rng.exponential(size=weight.shape) / np.maximum(weight, 1e-300)).argmin(2)
