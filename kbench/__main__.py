"""`python -m kbench` is `kbench`."""

import sys


def main() -> int:
    """Run the command line. Nothing is imported before the guard, so that Ctrl-C is one line from the very start."""
    try:
        from kbench.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        sys.stderr.write("kbench: interrupted\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
