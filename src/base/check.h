// base/check.h: assertions, in three strengths.
//
//   CHECK(x)    on in every build. Guards the data: crashing beats writing nonsense.
//   DCHECK(x)   on where VARVE_DCHECK is defined (debug, sanitizers, fuzzers). May be costly.
//   MAYBE(x)    notes that x is sometimes true and sometimes not. Compiled, never evaluated.
//
// None of them may be reached by what a client sends or a disk returns: those get a Status.
#pragma once

namespace varve {

// Prints the place and the expression to stderr and aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const char* expression);

}  // namespace varve

#define CHECK(x) \
  (__builtin_expect(!!(x), 1) ? (void)0 : ::varve::CheckFailed(__FILE__, __LINE__, #x))

#ifdef VARVE_DCHECK
#define DCHECK(x) CHECK(x)
#else
#define DCHECK(x) ((void)sizeof(!!(x)))
#endif

#define MAYBE(x) ((void)sizeof(!!(x)))
