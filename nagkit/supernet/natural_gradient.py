"""Steps by which a law over architectures learns what several objectives ask for.

What is descended is the expected smooth Chebyshev distance Σ_j a_j w_j E[f_j] with a = softmax(w_j E[f_j] / τ), w the
preference and f_j objectives between 0 (best) and 1 (worst): ranks, or costs on their range. The step is along the
natural gradient in the mean parameters of the categoricals, E[f (onehot - p)] (Akimoto et al., ICML 2019, *ASNG-NAS*,
section 3), scaled to a fixed length.

A cost that is a sum over slots has that gradient in closed form, p_k (c_k - p·c) for each choice. Of other objectives
only values are known; how a sampled cost deviates from its expectation, which is known exactly, then is a control
variate: as far as the objective goes with the cost, its part of the gradient is exact too.

Notation: n architectures, L slots, K symbols, k objectives, e of them exact.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from nagkit.errors import ArgumentError
from nagkit.supernet.preference_law import Drawn

PACE = 0.1  # by how much the shares of a slot move at a step: the sum of all differences, mean over slots
SMOOTH = 0.05  # τ


def descent(
    drawn: Drawn,
    preference: Float[np.ndarray, "k"],
    values: Float[np.ndarray, "n k"],
    costs: Mapping[int, Float[np.ndarray, "L K"]],
    pace: float = PACE,
) -> Float[np.ndarray, "L K"]:
    """The step of the shares for a preference, by what was drawn for it.

    Args:
        values: of all objectives, less is better, between 0 and 1
        costs: of the objectives that are sums over slots, by their place: what each symbol adds, on the scale of
            ``values``
    """
    if len(drawn.tokens) < 2:
        raise ArgumentError("drawn must hold at least 2 architectures, to compare them. Draw 16.")
    gradient = gradients(drawn, values, costs)
    behind = preference * values.mean(0)
    share = np.exp((behind - behind.max()) / SMOOTH)
    step = -np.tensordot(share / share.sum() * preference, gradient, 1)
    length = np.abs(step).sum(1).mean()
    return step * (pace / length) if length > 0 else step


def gradients(
    drawn: Drawn, values: Float[np.ndarray, "n k"], costs: Mapping[int, Float[np.ndarray, "L K"]]
) -> Float[np.ndarray, "k L K"]:
    """The natural gradient of the expectation of each objective."""
    hot = drawn.tokens[:, :, None] == np.arange(drawn.odds.shape[2])
    found = np.empty((values.shape[1], *drawn.odds.shape[1:]))
    excess = np.zeros((len(values), len(costs)))  # of each sampled cost over its expectation
    for column, (place, cost) in enumerate(costs.items()):
        above = cost - (drawn.odds * cost).sum(2, keepdims=True)
        found[place] = (drawn.odds * above).mean(0)
        excess[:, column] = (hot * above).sum((1, 2))
    for place in set(range(values.shape[1])) - set(costs):
        slopes = _slopes(excess, values[:, place])
        rest = values[:, place] - excess @ slopes
        rest = (rest - rest.mean()) * len(rest) / (len(rest) - 1)  # against the mean of the others
        found[place] = (rest[:, None, None] * (hot - drawn.odds)).mean(0)
        for slope, exact in zip(slopes, costs, strict=True):
            found[place] += slope * found[exact]
    return found


def _slopes(excess: Float[np.ndarray, "n e"], values: Float[np.ndarray, "n"]) -> Float[np.ndarray, "e"]:
    """How values go with each excess, by least squares; costs that go together share what they explain."""
    centred = excess - excess.mean(0)
    return np.linalg.lstsq(centred, values - values.mean(), rcond=1e-6)[0]
