#include "kbench_cpu.h"
#include "conversions.h"
