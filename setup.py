"""The package list, as the one thing that pyproject.toml cannot say: kernels_cu/ and suites/ stand beside kbench/ in a
checkout, where people work on them, and inside it in a wheel (kbench.machine.source.bundled looks in both places)."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["kbench", "kbench.*"]), "kbench.kernels_cu", "kbench.suites"],
    package_dir={"kbench.kernels_cu": "kernels_cu", "kbench.suites": "suites"},
)
