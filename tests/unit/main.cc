// tests/unit/main.cc: the main() of build/varve-unit-tests, which doctest writes.
//
// `build/varve-unit-tests --help` lists its options; -tc='numbers:*' runs what matches.
//
// Both doctest and base/check.h define CHECK. A test includes <doctest/doctest.h> after all else,
// so that headers keep ours and the test itself gets doctest's.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
