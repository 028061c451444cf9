"""Weight sharing: one network for all architectures of a space, how it learns, and how it ranks them."""

from nagkit.supernet.lessons import Lesson, Lessons, SharedRecipe
from nagkit.supernet.sampling import fair
from nagkit.supernet.scores import Scores, evaluate
from nagkit.supernet.shared import SharedNetwork

__all__ = ["Lesson", "Lessons", "Scores", "SharedNetwork", "SharedRecipe", "evaluate", "fair"]
