"""The policy gradient as the published development code has it, to be compared with (see ``natural_gradient``).

One set of categoricals for one trade-off: the reward of an architecture is its accuracy times a power of its parameters
against a wished number, and the baseline is moved most of the way to the mean of the very rewards it is subtracted
from. Each trade-off is a search of its own, and powers and wished numbers are set by hand.

Notation: n architectures, L slots, K symbols.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from nagkit import arguments
from nagkit.space import SearchSpace
from nagkit.supernet.preference_law import Drawn, PreferenceLaw
from nagkit.threads import one_thread

RATE, BETAS, DECAY, CLIP = 1e-2, (0.5, 0.999), 1e-3, 5.0  # of Adam, and of the norm of the gradient
FOLLOWS = 0.95  # how much of the way the baseline goes to the last mean
_START = 1e-3  # spread of the first logits


class Reinforce:
    """Categoricals that learn by REINFORCE with Adam; ``law()`` is how they are now.

    Args:
        seed: of the first logits
        objectives: how many a preference weighs, of which this law knows nothing
    """

    def __init__(self, space: SearchSpace, seed: int, objectives: int = 1) -> None:
        self._start = PreferenceLaw.of(space, objectives=1, steps=1)
        self._start = replace(self._start, anchors=np.full((1, objectives), 1 / objectives))
        rng = np.random.default_rng(arguments.seed("seed", seed))
        self._logits = torch.nn.Parameter(torch.from_numpy(_START * rng.standard_normal(self._start.allowed.shape)))
        self._adam = torch.optim.Adam([self._logits], lr=RATE, betas=BETAS, weight_decay=DECAY)
        self.baseline = 0.0

    def law(self) -> PreferenceLaw:
        """The law of the categoricals, the same for every preference, without a floor."""
        allowed = self._start.allowed
        logits = self._logits.detach().masked_fill(~torch.from_numpy(allowed), -torch.inf)
        shares = torch.softmax(logits, dim=1).numpy()
        return PreferenceLaw(self._start.space, self._start.anchors, shares[None], allowed)

    def drop(self, dropped: Bool[np.ndarray, "L K"]) -> None:
        """Take these symbols out of their slots."""
        self._start = replace(self._start, allowed=self._start.without(dropped).allowed)

    def learn(self, drawn: Drawn, rewards: Float[np.ndarray, "n"]) -> None:
        """One step by what was drawn with ``law()``, as the grammar let it."""
        self.baseline += FOLLOWS * (float(rewards.mean()) - self.baseline)
        shares = np.broadcast_to(self.law().shares[0], drawn.odds.shape)
        ratio = np.divide(drawn.odds, shares, out=np.zeros_like(drawn.odds), where=drawn.odds > 0)
        with np.errstate(divide="ignore"):
            grammar = np.log(ratio)  # what it and the space's law add to the logits
        chosen = torch.from_numpy(drawn.tokens)[:, :, None]
        with one_thread():
            odds = torch.log_softmax(self._logits + torch.from_numpy(grammar), dim=2)  # (n, L, K)
            logs = odds.gather(2, chosen)[:, :, 0].sum(1)
            self._adam.zero_grad()
            (-logs * torch.from_numpy(rewards - self.baseline)).mean().backward()
            torch.nn.utils.clip_grad_norm_([self._logits], CLIP)
            self._adam.step()

    def state(self) -> dict[str, np.ndarray]:
        """Its arrays, from which ``restore`` makes one that was made alike as it is now."""
        kept = self._adam.state.get(self._logits, {})
        moments = {name: np.atleast_1d(kept[name]) for name in ("step", "exp_avg", "exp_avg_sq") if name in kept}
        now = {"logits": self._logits.detach().numpy().copy(), "baseline": np.array([self.baseline])}
        return now | {"allowed": self._start.allowed, **moments}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Be as one was that gave this ``state``."""
        with torch.no_grad():
            self._logits.copy_(torch.from_numpy(np.array(state["logits"])))
        self.baseline = float(state["baseline"][0])
        self._start = replace(self._start, allowed=np.array(state["allowed"]))
        names = [name for name in ("step", "exp_avg", "exp_avg_sq") if name in state]
        if names:
            kept = {name: torch.from_numpy(np.array(state[name])) for name in names}
            self._adam.state[self._logits] = kept | {"step": kept["step"].reshape(())}


def rewards(
    accuracy: Float[np.ndarray, "n"],
    cost: Int[np.ndarray, "n"] | Float[np.ndarray, "n"],
    wished: float,
    exponent: float,
) -> Float[np.ndarray, "n"]:
    """Accuracy, in percent or as a share, times a power of the cost, as of parameters, by what is wished for."""
    return accuracy * (cost / wished) ** exponent
