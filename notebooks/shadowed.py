"""How the reference finds functions that have the name of a module beside them, as ``nagkit.benchmarks.benchmark``.

Griffe, which reads the docstrings, puts the module in the place of the function. Here the function is kept under a
second key; its name stays as it is.
"""

from typing import Any

import griffe


class Shadowed(griffe.Extension):
    """Keeps every function of a package that one of its modules shadows."""

    def on_module_members(self, *, mod: griffe.Module, **_: Any) -> None:
        """Called when the members of a module are known and those of its submodules are not."""
        if mod.is_init_module:
            for name, member in list(mod.members.items()):
                if isinstance(member, griffe.Function) and (mod.filepath.parent / f"{name}.py").is_file():
                    mod.members[f"{name}()"] = member
