"""`python -m thalweg.cli`: the command, for processes that start others with their own interpreter."""

from thalweg.cli.entry import main

main()
