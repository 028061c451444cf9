"""The acquisition qLogNEHVI (Daulton et al., 2021; Ament et al., 2023) of BoTorch, on what a search believes."""

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Int

from nagkit.search.belief import Belief

if TYPE_CHECKING:
    from botorch.acquisition import AcquisitionFunction
    from botorch.models.model import Model

SAMPLES = 32  # of the scores of front and candidate together
_JITTER = 1e-8  # on the diagonal: exact objectives have no variance


def noisy_hypervolume_improvement(
    belief: Belief, tokens: Int[np.ndarray, "m L"], rng: np.random.Generator
) -> Float[np.ndarray, "m"]:
    """The logarithm of the hypervolume that each candidate is expected to add, where noise hides which the front is.

    The front is that of what meets the constraints, the reference point the worst score of each objective. BoTorch
    compiles a part of itself at first use, which takes a minute; without a compiler it is slower.
    """
    with warnings.catch_warnings(), torch.random.fork_rng(devices=()):
        warnings.simplefilter("ignore", DeprecationWarning)  # what BoTorch imports uses a part of torch that will go
        warnings.filterwarnings("ignore", "Failed to compile")  # it then takes a slower way
        torch.manual_seed(seed := int(rng.integers(2**31)))  # of what BoTorch draws besides the samples
        acquisition = _acquisition(belief, seed)
        points = torch.from_numpy(tokens[:, None].astype(np.float64))
        with torch.no_grad():
            return acquisition(points).numpy()


def _acquisition(belief: Belief, seed: int) -> "AcquisitionFunction":
    from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
    from botorch.sampling import SobolQMCNormalSampler

    return qLogNoisyExpectedHypervolumeImprovement(
        _model(belief),
        belief.scores.min(0).tolist(),
        torch.from_numpy(belief.tokens[belief.feasible].astype(np.float64)),
        SobolQMCNormalSampler(torch.Size([SAMPLES]), seed=seed),
        prune_baseline=True,
        cache_root=False,
    )


def _model(belief: Belief) -> "Model":
    """The belief as a model of BoTorch, whose points are tokens."""
    from botorch.models.model import Model
    from botorch.posteriors import GPyTorchPosterior
    from gpytorch.distributions import MultitaskMultivariateNormal, MultivariateNormal

    class Believed(Model):
        num_outputs = belief.scores.shape[1]

        def posterior(self, X: Any, *_: Any, **__: Any) -> Any:
            """What is believed of these points (…, r, L) together."""
            rows, place = np.unique(X.numpy().astype(np.int64).reshape(-1, X.shape[-1]), axis=0, return_inverse=True)
            place = place.reshape(X.shape[:-1])
            normals = [
                MultivariateNormal(
                    torch.from_numpy(mean[place]),
                    torch.from_numpy(covariance[place[..., :, None], place[..., None, :]])
                    + _JITTER * torch.eye(X.shape[-2], dtype=X.dtype),
                )
                for mean, covariance in belief.together(rows)
            ]
            return GPyTorchPosterior(MultitaskMultivariateNormal.from_independent_mvns(normals))

    return Believed()
