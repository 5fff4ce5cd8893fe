"""`python -m kbench` is `kbench`."""

import sys

from kbench.cli.main import main

sys.exit(main())
