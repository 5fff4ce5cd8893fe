#pragma once  // everything is in kbench_cpu.h, which comes before the source
