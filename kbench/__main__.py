"""`python -m kbench` is `kbench`."""

from kbench.cli.main import main

main()
