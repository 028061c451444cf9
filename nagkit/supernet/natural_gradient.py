"""Steps by which a law over architectures learns what several objectives ask for.

What is descended is the smooth Chebyshev distance τ log Σ_j exp(w_j E[f_j] / τ) of expectations, with w the preference
and f_j objectives of about 0 (best) to 1 (worst): ranks, or costs on their range. Its gradient is Σ_j a_j w_j ∇E[f_j]
with a = softmax(w_j E[f_j] / τ). The step is along E[f (onehot - p)], the natural gradient in the mean parameters of
categoricals (Akimoto et al., ICML 2019, *ASNG-NAS*, section 3), scaled to a fixed length. Where a grammar ties slots, p
are the odds of a choice after those before it, and the step is one of ascent only.

A cost that is a sum over slots has that gradient in closed form, p_k (c_k - p·c) for each choice, where no grammar ties
slots; where one does, what a choice means for later ones is added by what was drawn. Of other objectives only values
are known. How a sampled cost deviates from its expectation after the choices before, which is known exactly, then is a
control variate: as far as the objective goes with the cost, its part of the gradient is exact too.

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
        values: of all objectives, less is better, of about 0 to 1
        costs: of the objectives that are sums over slots, by their place: what each symbol adds, on the scale of
            ``values``
    """
    if len(drawn.tokens) < 2:
        raise ArgumentError("drawn must hold at least 2 architectures, to compare them. Draw 16.")
    if values.shape != (len(drawn.tokens), len(preference)) or not np.isfinite(values).all():
        raise ArgumentError(
            f"values must be finite numbers of shape {(len(drawn.tokens), len(preference))}, for each architecture one "
            f"of each objective; got {values.shape}. Leave out what has no value."
        )
    if not set(costs) <= set(range(len(preference))):
        raise ArgumentError(f"costs must be by places from 0 to {len(preference) - 1}; got {sorted(costs)}.")
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
    closed = np.empty((len(costs), *drawn.odds.shape[1:]))
    for column, (place, cost) in enumerate(costs.items()):
        above = cost - (drawn.odds * cost).sum(2, keepdims=True)
        closed[column] = (drawn.odds * above).mean(0)
        excess[:, column] = (hot * above).sum((1, 2))
        found[place] = closed[column] + _scored(values[:, place] - excess[:, column], hot - drawn.odds)
    for place in set(range(values.shape[1])) - set(costs):
        slopes = _slopes(excess, values[:, place])
        found[place] = _scored(values[:, place] - excess @ slopes, hot - drawn.odds) + np.tensordot(slopes, closed, 1)
    return found


def _scored(values: Float[np.ndarray, "n"], scores: Float[np.ndarray, "n L K"]) -> Float[np.ndarray, "L K"]:
    """The gradient by values alone, each against the mean of the others."""
    above = (values - values.mean()) * len(values) / (len(values) - 1)
    return np.tensordot(above, scores, 1) / len(values)


def _slopes(excess: Float[np.ndarray, "n e"], values: Float[np.ndarray, "n"]) -> Float[np.ndarray, "e"]:
    """How values go with each excess, by least squares; costs that go together share what they explain."""
    centred = excess - excess.mean(0)
    return np.linalg.lstsq(centred, values - values.mean(), rcond=1e-6)[0]
