"""`python -m thalweg.contracts`: rebuild the artefacts."""

from thalweg.contracts.build import main

main()
