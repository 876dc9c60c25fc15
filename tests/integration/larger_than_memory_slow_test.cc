// tests/integration/larger_than_memory_slow_test.cc: 1 GB of values under a memory-limit of 256 MB.
#include "tests/integration/larger_than_memory.h"

int main() { return varve::LargerThanMemory(10'000'000, 256 << 20).Run(); }
