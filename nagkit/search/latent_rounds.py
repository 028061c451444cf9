"""Where a latent search looks in each round: a generator refitted to what it was told, and what it proposes.

Notation: n labels, d latent variables, m proposals, L slots.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float, Int

from nagkit.generators.autoencoder_training import Refit, refitted
from nagkit.generators.latent import LatentGenerator
from nagkit.search.archive import Archive
from nagkit.search.belief import Belief, Kernels
from nagkit.search.elite import rank_weights
from nagkit.search.latent_belief import LatentBelief
from nagkit.search.soft_features import SoftFeatures

PROPOSED = 400  # by the generator in a round
NEAR = 0.75  # the share of samples around what is known, by weight; the others are from everywhere
REACH = 0.2, 0.9  # how far from it
START = 24  # climbs begin at the best so many, the others at samples
LEAST_SHARE = 0.15  # about the least of proposals for each source
GOOD = 0.25  # a question has paid off if it is in this best part of all that was told


@dataclass(frozen=True, eq=False)
class Round:
    """What a search looks at after ``before`` labels.

    ``z (m, d)`` become ``tokens (m, L)``, proposed by ``sources (m,)``; ``shares`` say how many are from each.
    """

    before: int
    generator: LatentGenerator
    refit: Refit
    belief: LatentBelief
    shares: Mapping[str, float]
    z: Float[np.ndarray, "m d"]
    tokens: Int[np.ndarray, "m L"]
    sources: np.ndarray


def look(
    generator: LatentGenerator,
    archive: Archive,
    shares: Mapping[str, float],
    betas: Sequence[float],
    features: SoftFeatures,
) -> Round:
    """The round that follows from these labels, at least 2 of them finite; the same labels give the same round.

    Args:
        generator: as it was before any label
        shares: of the sources ``"sampled"`` and ``"climbed"`` in the proposals
        betas: how many standard deviations above the mean climbs look
        features: by which z is known
    """
    rng = np.random.default_rng(archive.tokens.ravel())  # seeded by what is known, as a state may be another's
    known, space = np.isfinite(archive.values).all(1), archive.space
    weights = np.where(known, rank_weights(archive.ranks()), 0.0)  # used once, as the chance to be drawn
    refit = refitted(generator.autoencoder, space, archive.tokens, weights, rng)
    made = LatentGenerator(space, refit.autoencoder)
    mean, chance = made.encode(archive.tokens[known])[0], weights[known] / weights.sum()
    soft = partial(features.of, refit.autoencoder.decoder)
    belief = LatentBelief(archive, Belief(archive, Kernels()), mean, soft)
    sampled = _sampled(mean, chance, round(PROPOSED * shares.get("sampled", 0.0)), rng)
    parts = {"sampled": sampled}
    if count := round(PROPOSED * shares.get("climbed", 0.0)):
        best = mean[np.argsort(-chance, kind="stable")[:START]]
        start = np.concatenate([best, _sampled(mean, chance, max(count - len(best), 0), rng)])[:count]
        parts["climbed"] = belief.climbed(start, tuple(betas), rng)
    z = np.concatenate(list(parts.values()))
    sources = np.repeat(list(parts), [len(part) for part in parts.values()])
    return Round(len(archive), made, refit, belief, dict(shares), z, made.decode(z), sources)


def _sampled(
    mean: Float[np.ndarray, "n d"], chance: Float[np.ndarray, "n"], count: int, rng: np.random.Generator
) -> Float[np.ndarray, "k d"]:
    """So many z, most of them near a label that is drawn by its chance, the others of the law of z."""
    near = rng.random((count, 1)) < NEAR
    reach = np.where(near, rng.uniform(*REACH, (count, 1)), 1.0)
    around = mean[rng.choice(len(mean), count, p=chance)]
    return np.sqrt(1 - reach**2) * around + reach * rng.standard_normal(around.shape)
