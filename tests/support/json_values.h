// tests/support/json_values.h: values as programs store them: small, alike, and each one different.
#pragma once

#include <cstdio>
#include <iterator>
#include <string>

#include "base/random.h"

namespace varve {

template <size_t kCount>
inline const char* OneOf(const char* const (&words)[kCount], Random& random) {
  return words[random.Uniform(kCount)];
}

// A user of some service: 160 to 270 bytes.
inline std::string JsonUser(Random& random) {
  static constexpr const char* kFirst[] = {"Anna",  "Boris", "Clara", "David", "Elena", "Farid",
                                           "Greta", "Hugo",  "Ines",  "Jonas", "Karla", "Luca",
                                           "Maria", "Nadia", "Oscar", "Paula", "Rosa",  "Simon"};
  static constexpr const char* kLast[] = {"Bauer",  "Costa",  "Dubois",  "Eriksen", "Fischer",
                                          "Garcia", "Hansen", "Ivanova", "Jensen",  "Kowalski",
                                          "Larsen", "Moreau", "Novak",   "Okafor",  "Petrov"};
  static constexpr const char* kCities[] = {"Berlin", "Paris",  "Madrid", "Rome",   "Vienna",
                                            "Prague", "Warsaw", "Lisbon", "Dublin", "Oslo"};
  static constexpr const char* kPlans[] = {"free", "basic", "standard", "premium"};
  const auto number = [&random](uint64_t below) { return static_cast<int>(random.Uniform(below)); };
  const char* const first = OneOf(kFirst, random);
  const char* const last = OneOf(kLast, random);
  char text[400];
  const int size = std::snprintf(
      text, sizeof(text),
      "{\"id\":%d,\"name\":\"%s "
      "%s\",\"email\":\"%s.%s%d@example.com\",\"city\":\"%s\",\"plan\":\"%s\","
      "\"active\":%s,\"score\":%d.%02d,\"visits\":%d,\"created_at\":\"20%d-%02d-%02dT%02d:%02d:%"
      "02dZ\"",
      number(10'000'000), first, last, first, last, number(1000), OneOf(kCities, random),
      OneOf(kPlans, random), random.OneIn(3) ? "false" : "true", number(100), number(100),
      number(5000), 15 + number(11), 1 + number(12), 1 + number(28), number(24), number(60),
      number(60));
  std::string value(text, static_cast<size_t>(size));
  if (random.OneIn(3)) {
    std::snprintf(text, sizeof(text), ",\"token\":\"%016llx\"",
                  static_cast<unsigned long long>(random.Next()));
    value += text;
  }
  if (random.OneIn(4)) value += ",\"tags\":[\"new\",\"mobile\"]";
  return value + "}";
}

// A payment: about 90 bytes.
inline std::string JsonPayment(Random& random) {
  static constexpr const char* kStates[] = {"paid", "pending", "refused"};
  char text[200];
  const int size = std::snprintf(
      text, sizeof(text),
      "{\"user\":%llu,\"status\":\"%s\",\"amount\":%llu.%02llu,\"currency\":\"EUR\",\"at\":%llu}",
      static_cast<unsigned long long>(random.Uniform(1'000'000)), OneOf(kStates, random),
      static_cast<unsigned long long>(random.Uniform(10'000)),
      static_cast<unsigned long long>(random.Uniform(100)),
      static_cast<unsigned long long>(1'700'000'000'000 + random.Uniform(10'000'000'000)));
  return {text, static_cast<size_t>(size)};
}

}  // namespace varve
