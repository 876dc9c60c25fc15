// utils/load/keys.h: which key comes next.
//
// Keys are numbers below a count. Uniform: each with the same chance. Zipfian: the r-th most popular with a chance
// proportional to 1 / r^exponent, drawn by rejection-inversion (Hörmann and Derflinger, "Rejection-inversion to
// generate variates from monotone discrete distributions", 1996), which needs no table of sums: a billion keys
// take no more memory than ten. Popular keys lie far from each other, as names of users do.
//
// Threads: one at a time.
#pragma once

#include <cstdint>

#include "base/random.h"

namespace varve::load {

// Every number below `count` once, each far from the one before: steps of the golden section.
class JumpingOrder {
 public:
  explicit JumpingOrder(uint64_t count);
  uint64_t At(uint64_t i) const {
    return static_cast<uint64_t>(static_cast<Uint128>(i) * step_ % count_);
  }

 private:
  uint64_t count_;
  uint64_t step_;
};

class KeyChooser {
 public:
  // exponent 0: uniform. REQUIRES: count > 0, exponent >= 0.
  KeyChooser(uint64_t count, double exponent, uint64_t seed);

  uint64_t Next() { return exponent_ == 0 ? random_.Uniform(count_) : order_.At(NextRank() - 1); }
  // From 1, the most popular.
  uint64_t NextRank();

 private:
  double Integral(double x) const;         // of Density
  double IntegralInverse(double y) const;  // where Integral is y
  double Density(double x) const;

  uint64_t count_;
  double exponent_;
  Random random_;
  JumpingOrder order_;
  // NextRank draws between these two, and takes at once what is nearer than `margin_` to its rank.
  double integral_begin_ = 0;
  double integral_end_ = 0;
  double margin_ = 0;
};

}  // namespace varve::load
