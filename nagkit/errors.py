"""The refusals of nagkit: one class for each remedy, so that a caller can act on the kind of trouble."""


class NagkitError(Exception):
    """Anything nagkit refuses; its text names what was given, what is allowed and what to do."""


class ArgumentError(NagkitError, ValueError):
    """Change the argument: it has the wrong type, shape, range or name."""


class DataMissingError(NagkitError, FileNotFoundError):
    """Get the file: it is neither in the cache nor reachable."""


class DataDamagedError(NagkitError):
    """Replace the file: it is truncated, altered, or holds something data may not hold."""


class UnsatisfiableError(NagkitError):
    """Relax a constraint: no architecture of the space meets all of them."""


class NotFittedError(NagkitError):
    """Fit or train first."""


class PackageMissingError(NagkitError, ImportError):
    """Install the optional package that this needs."""
