"""How the tests execute annotations: by beartype, with whole numbers accepted where floats are expected."""

from beartype import BeartypeConf, beartype

numeric = beartype(conf=BeartypeConf(is_pep484_tower=True))
