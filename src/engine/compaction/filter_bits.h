// engine/compaction/filter_bits.h: how many bits per key the filters of a new table get.
//
// Whoever asks for an absent key asks every run whose range holds it, so what counts is the sum of
// the rates at which their filters err; and in a small run bits cost little. For a given memory that
// sum is least when each run errs in proportion to its size (Dayan, Athanassoulis, Idreos, "Monkey:
// Optimal Navigable Key-Value Store", SIGMOD 2017), and half the rate takes 1.44 bits more:
//
//   size of the run, by the largest    1     1/2   1/4   1/10  1/14 and less
//   bits per key                       10    11    13    15    16
//
// It is the size of the run that counts, not its level. So the rule is the same for every policy: a level of
// leveling, a tier's run and a table of level 0 are runs. What that makes of the false positives of one
// get of an absent key, where each run has 10 bits and where they have these:
//
//   runs, by the largest                                      10 bits   these   more memory
//   leveled         1, 1/10, 1/100, 4 tables of 1/200           6.8%    1.6%        6%
//   tiered          3 of 1, 3 of 1/4, 3 of 1/16, 3 of 1/64     11.7%    4.4%        9%
//   lazy-leveled    1, 3 of 1/8, 3 of 1/32, 3 of 1/128          9.7%    2.2%       15%
//
// The largest run keeps its 10 bits. Without any, every get of an absent key would read a block, and
// the count of keys could not tell a new key from an overwrite (commit.cc).
//
// A table that only changes its level keeps its filter. So tables of a load in the order of its keys have
// 16 bits each, wherever they come to lie: 0.75 bytes a key more than they need.
//
// Threads: any; pure functions.
#pragma once

#include <cstdint>

#include "engine/compaction/policy.h"

namespace varve {

// More would gain little: a line of 512 bits with seven probes errs for 0.10% at 16 bits, for 0.03%
// at 20 (table/filter.h).
inline constexpr int kSmallRunFilterBitsMax = 16;

// Of a run of that size, if the largest gets `bits_of_largest`; that may be 0, for no filters at all.
int FilterBitsOfRun(int bits_of_largest, uint64_t run_bytes, uint64_t largest_run_bytes);

// Of a table that is flushed with about so many bytes, and of those that a plan writes.
int FilterBitsOfFlush(const Version& version, const Options& options, uint64_t table_bytes);
int FilterBitsOfPlan(const Version& version, const Options& options, const CompactionPlan& plan);

}  // namespace varve
