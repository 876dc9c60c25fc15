// utils/load/keys.cc: uniform and Zipfian numbers.
#include "utils/load/keys.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace varve::load {

JumpingOrder::JumpingOrder(uint64_t count)
    : count_(count), step_(static_cast<uint64_t>(static_cast<double>(count) * 0.6180339887) | 1) {
  while (std::gcd(step_, count_) != 1) step_ += 2;
}

KeyChooser::KeyChooser(uint64_t count, double exponent, uint64_t seed)
    : count_(count), exponent_(exponent), random_(seed), order_(count) {
  if (exponent_ == 0) return;
  integral_begin_ = Integral(1.5) - 1;
  integral_end_ = Integral(static_cast<double>(count_) + 0.5);
  margin_ = 2 - IntegralInverse(Integral(2.5) - Density(2));
}

// A point under the continuous curve, rounded to a rank, is kept if it also lies under the rank's own step.
uint64_t KeyChooser::NextRank() {
  constexpr double kUnit = 1.0 / static_cast<double>(uint64_t{1} << 53);
  while (true) {
    const double share = static_cast<double>(random_.Next() >> 11) * kUnit;
    const double at = integral_end_ + share * (integral_begin_ - integral_end_);
    const double x = IntegralInverse(at);
    const double rank = std::clamp(std::round(x), 1.0, static_cast<double>(count_));
    if (rank - x <= margin_ || at >= Integral(rank + 0.5) - Density(rank)) {
      return static_cast<uint64_t>(rank);
    }
  }
}

// Up to a constant, and so that exponent 1, whose integral is the logarithm, needs no case of its own but where the
// division has no digits left.
double KeyChooser::Integral(double x) const {
  const double log_x = std::log(x);
  const double power = (1 - exponent_) * log_x;
  return std::abs(power) < 1e-8 ? log_x : std::expm1(power) / (1 - exponent_);
}

double KeyChooser::IntegralInverse(double y) const {
  const double power = std::max((1 - exponent_) * y, -1.0);
  return std::exp(std::abs(power) < 1e-8 ? y : std::log1p(power) / (1 - exponent_));
}

double KeyChooser::Density(double x) const { return std::exp(-exponent_ * std::log(x)); }

}  // namespace varve::load
