// tests/integration/larger_than_memory_test.cc: 50 MB of values under a memory-limit of 16 MB.
#include "tests/integration/larger_than_memory.h"

int main() { return varve::LargerThanMemory(500'000, 16 << 20).Run(); }
