"""A generator with latent variables: architectures are where z is, and what is near in z is near.

Notation: n architectures, L slots, K symbols, d latent variables. The law of z is standard normal; z alone says what
the architecture is: in each slot the likeliest symbol among those that are legal so far, structure first.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import special

from nagkit import arguments
from nagkit.diffusion.energy import Energy
from nagkit.diffusion.guidance import Guidance
from nagkit.diffusion.masked import Frame
from nagkit.errors import ArgumentError
from nagkit.generators.autoencoder import Autoencoder, entries, load
from nagkit.generators.framed import FramedGenerator
from nagkit.generators.latent_chain import LatentChain
from nagkit.space import UNDECIDED, SearchSpace
from nagkit.weights import shipped


class LatentGenerator(FramedGenerator):
    """Samples z, moves it as guidance says, and decodes it; in ``steps`` frames that show what it becomes.

    Every sample is legal and within the constraints, by construction. What a z becomes depends on nothing else.
    """

    methods = ("tilt", "first-order")

    def __init__(self, space: SearchSpace, autoencoder: Autoencoder, steps: int | None = None) -> None:
        super().__init__(space)
        hint = "that of the last lesson of autoencoder_training.train"
        self.autoencoder = arguments.instance("autoencoder", autoencoder, Autoencoder, hint)
        self.latent, slots = autoencoder.shape.latent, len(space.slots)
        self.steps = slots if steps is None else arguments.whole("steps", steps, low=1, high=slots)

    @classmethod
    def load(cls, space: SearchSpace, steps: int | None = None) -> "LatentGenerator":
        """The one that came with nagkit for a space."""
        return cls(space, load(shipped(f"{space.name}-latent"), space), steps)

    def encode(self, tokens: Int[np.ndarray, "n L"]) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "n d"]]:
        """Mean and standard deviation of z for architectures; equal for isomorphic ones."""
        first = self.space.canonical(self.space.check(tokens), self.space.isomorphic)
        self.autoencoder.eval()
        with torch.inference_mode():
            mean, spread = self.autoencoder.encoder(*entries(self.space, first))
            return mean.double().numpy(), (spread / 2).exp().double().numpy()

    def decode(self, z: Float[np.ndarray, "n d"]) -> Int[np.ndarray, "n L"]:
        """The architecture of each z."""
        return likeliest(self.space, self.logits(z))

    def check(self, z: Any) -> Float[np.ndarray, "n d"]:
        """z as numbers of shape (n, d); anything else is refused by name."""
        found = arguments.array("z", z)
        if found.dtype.kind not in "fiu" or found.ndim != 2 or found.shape[1] != self.latent or not len(found):
            raise ArgumentError(
                f"z must be numbers of shape (n, {self.latent}) with n at least 1 for this generator; got "
                f"{found.dtype} {found.shape}. generator.encode(tokens)[0] gives those of architectures."
            )
        return arguments.finite("z", found.ravel()).reshape(found.shape)

    def logits(self, z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n L K"]:
        """What z says of every slot, grammar aside; -inf for symbols that a slot does not have."""
        z = self.check(z)
        self.autoencoder.eval()
        with torch.inference_mode():
            found = self.autoencoder.decoder(torch.from_numpy(z).float()).double().numpy()
        return np.where(np.arange(found.shape[2]) < self.space.radices[:, None], found, -np.inf)

    def _guide(self, guidance: Guidance) -> Energy:
        return Energy(self.space, guidance)

    def sample_z(self, n: int, guidance: Guidance, rng: np.random.Generator) -> Float[np.ndarray, "n d"]:
        """The z of the same samples."""
        return self._z(n, self._checked(n, guidance, rng), rng)

    def _answer(self, n: int, guide: Energy | None, rng: np.random.Generator) -> Int[np.ndarray, "n L"]:
        return self.decode(self._z(n, guide, rng))

    def _z(self, n: int, guide: Energy | None, rng: np.random.Generator) -> Float[np.ndarray, "n d"]:
        z = rng.standard_normal((n, self.latent))
        if guide is None:
            return z
        chain = LatentChain(self, guide, z, rng)
        chain.settle()
        return chain.z

    def _frames(self, n: int, guide: Energy | None, rng: np.random.Generator) -> Iterator[Frame]:
        logits = self.logits(self._z(n, guide, rng))
        rows, phase = likeliest(self.space, logits), [slot.phase for slot in self.space.slots]
        turn = (phase + rng.random(rows.shape)).argsort(1).argsort(1)  # in which each slot is shown
        ends = np.linspace(0, rows.shape[1], self.steps + 1).round()
        for step, end in enumerate(ends):
            tokens = np.where(turn < end, rows, UNDECIDED)
            yield Frame(step, self.steps, tokens, self._probability(logits, tokens))

    def _probability(self, logits: Float[np.ndarray, "n L K"], tokens: Int[np.ndarray, "n L"]) -> np.ndarray:
        """What z says of the open slots, among what is legal beside the decided ones; certainty of those."""
        open_ = special.softmax(np.where(self.space.legal(tokens), logits, -np.inf), axis=2)
        held = tokens[:, :, None]
        return np.where(held == UNDECIDED, open_, held == np.arange(open_.shape[2]))


def likeliest(space: SearchSpace, logits: Float[np.ndarray, "n L K"]) -> Int[np.ndarray, "n L"]:
    """For each row of logits slot by slot, structure first, the highest among what is legal so far."""
    tokens = logits.argmax(2)
    barred = np.flatnonzero(~space.belongs(tokens))  # where all of a row is legal, nothing was barred on the way
    if len(barred):
        left = np.full((len(barred), tokens.shape[1]), UNDECIDED)
        for slot in np.argsort([slot.phase for slot in space.slots], kind="stable").tolist():
            left[:, slot] = np.where(space.legal_in(left, slot), logits[barred, slot], -np.inf).argmax(1)
        tokens[barred] = left
    return tokens
