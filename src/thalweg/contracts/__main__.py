"""`python -m thalweg.contracts`: rebuild the artefacts; with a folder, write the sources to verify them by into it."""

import sys
from pathlib import Path

from thalweg.contracts.build import main
from thalweg.contracts.sources import export_sources

if sys.argv[1:]:
    export_sources(Path(sys.argv[1]))
else:
    main()
