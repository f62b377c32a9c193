"""How far Hypothesis searches: the same examples every time at the gate, new ones in `make explore`."""

import os

from hypothesis import Phase, settings

settings.register_profile("gate", derandomize=True, deadline=None)  # no test asserts on time
settings.register_profile("explore", print_blob=True, deadline=None)
settings.register_profile(
    "mutants",
    derandomize=True,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),  # nothing is shrunk
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gate"))
