// env/background.h: work that gives way to the loop.
//
// Flushes, compactions, checkpoints, and files made and removed have a low priority
// (WorkerPoolOptions::background_nice). Where they share a core with the loop that is not enough: while both want to
// run, many kernels look only at their clock's tick, every 4 ms or so, whose turn it is, and whoever got the core has it
// until the next one. Two such jobs in a row, and requests have waited for 8 ms. Hence these jobs offer the core
// themselves, many times in that span.
//
// Threads: any one; what is said of a thread is said of the one that calls.
#pragma once

namespace varve {

// For the rest of this thread's life: it has this nice value, and OfferCpu() does something.
void BecomeBackground(int nice);
bool IsBackground();

// To be called by what may be a background job, after every 100 us of work or sooner: it looks at the clock, and yields
// when 200 us have passed since it last did. In other threads it costs next to nothing.
void OfferCpu();

}  // namespace varve
