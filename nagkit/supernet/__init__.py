"""Weight sharing: one network for all architectures of a space, and a law over them that learns from it.

The network is trained fairly (``Lessons``) and ranks architectures (``evaluate``). The law, which depends on the
preference between objectives (``PreferenceLaw``), follows what shared weights and costs say of what it draws
(``descent``), and loses operations that are worse for every preference (``worse``).
"""

from nagkit.supernet.lessons import Lesson, Lessons, SharedRecipe
from nagkit.supernet.natural_gradient import descent
from nagkit.supernet.plan import Plan
from nagkit.supernet.preference_law import Drawn, PreferenceLaw
from nagkit.supernet.reinforce import Reinforce
from nagkit.supernet.sampling import fair
from nagkit.supernet.scores import Scores, evaluate
from nagkit.supernet.shared import SharedNetwork
from nagkit.supernet.shrinking import Seen, fewest, worse
from nagkit.supernet.stages import Look, Shrunk, Stages

__all__ = [
    "Drawn",
    "Lesson",
    "Lessons",
    "Look",
    "Plan",
    "PreferenceLaw",
    "Reinforce",
    "Scores",
    "Seen",
    "SharedNetwork",
    "SharedRecipe",
    "Shrunk",
    "Stages",
    "descent",
    "evaluate",
    "fair",
    "fewest",
    "worse",
]
