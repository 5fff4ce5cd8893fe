"""Set up .venv for `make bench` (run) or `make test` (dev): pinned requirements, kbench, and this machine's extras.

Standard library only, and readable by any Python 3, so that an old one is told what is missing instead of failing on
syntax. The virtual environment is marked with a hash of everything that decides its contents: a second call is instant.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
COMPILERS = ("g++", "clang++", "c++")


def fail(message):
    sys.exit("kbench: " + message)


def gpu_extra():
    """cuda12 or cuda13 where an NVIDIA driver answers, else an empty string."""
    chooser = ROOT / "kbench" / "machine" / "cuda" / "extra.py"
    done = subprocess.run([sys.executable, str(chooser)], stdout=subprocess.PIPE, universal_newlines=True)
    if done.returncode:
        fail("could not choose the CUDA extra: %s failed" % chooser)
    return done.stdout.strip()


def has_compiler():
    named = [os.environ.get(name) for name in ("KBENCH_CXX", "CXX")]
    return any(shutil.which(name.split()[0]) for name in [*filter(None, named), *COMPILERS])


def extras():
    chosen = [gpu_extra(), "" if has_compiler() else "cpu"]
    return [name for name in chosen if name]


def fingerprint(kind, chosen):
    seen = hashlib.sha256()
    for name in ("pyproject.toml", "setup.py", "requirements/install.py", "requirements/%s.txt" % kind):
        seen.update((ROOT / name).read_bytes())
    seen.update(repr((sys.version_info[:2], str(ROOT), chosen)).encode())
    return seen.hexdigest()


def is_ready(kind, chosen):
    """Whether .venv holds this kind already; whatever `make test` installs is enough for `make bench` too."""
    for installed in {kind, "dev"}:
        mark = VENV / (".kbench-" + installed)
        if PYTHON.exists() and mark.is_file() and mark.read_text() == fingerprint(installed, chosen):
            return True
    return False


def run(*command):
    if subprocess.call([str(part) for part in command], cwd=str(ROOT)):
        fail("this failed: " + " ".join(str(part) for part in command))


def create():
    works = PYTHON.exists() and not subprocess.call([str(PYTHON), "-m", "pip", "--version"], stdout=subprocess.DEVNULL)
    if works:
        return
    if subprocess.call([sys.executable, "-m", "venv", "--clear", str(VENV)]):
        fail("this Python cannot make virtual environments; on Debian and Ubuntu: apt-get install python3-venv")


def main(kind):
    if sys.version_info < (3, 11):
        fail("Python 3.11 or newer is needed, this is %d.%d; name one with make PYTHON=…" % sys.version_info[:2])
    chosen = extras()
    if is_ready(kind, chosen):
        return
    print("Setting up .venv (extras: %s)" % (", ".join(chosen) or "none"), file=sys.stderr)
    create()
    pip = (PYTHON, "-m", "pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "install", "--require-hashes", "-r", "requirements/%s.txt" % kind)
    # CuPy and ziglang are large and belong to this machine only, so they are not pinned: the second call adds them.
    run(*pip, "install", "--no-build-isolation", "-e", ".[%s]" % ",".join(chosen) if chosen else ".")
    (VENV / (".kbench-" + kind)).write_text(fingerprint(kind, chosen))


if __name__ == "__main__":
    main(sys.argv[1])
