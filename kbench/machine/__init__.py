"""Floor 2, machine: compilers and devices. The only floor that knows what CUDA is."""
