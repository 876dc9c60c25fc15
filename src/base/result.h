// base/result.h: a value, or the Status that says why there is none.
#pragma once

#include <optional>
#include <utility>

#include "base/check.h"
#include "base/status.h"

namespace varve {

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}  // NOLINT: a T is a Result
  Result(Status status) : status_(std::move(status)) { CHECK(!status_.ok()); }  // NOLINT
  Result(StatusCode code) : Result(Status(code)) {}                             // NOLINT

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }

  // REQUIRES: ok().
  T& operator*() & {
    CHECK(ok());
    return *value_;
  }
  const T& operator*() const& {
    CHECK(ok());
    return *value_;
  }
  T operator*() && {
    CHECK(ok());
    return std::move(*value_);
  }  // by value: a temporary is ending
  T* operator->() {
    CHECK(ok());
    return &*value_;
  }
  const T* operator->() const {
    CHECK(ok());
    return &*value_;
  }

 private:
  std::optional<T> value_;
  Status status_;
};

}  // namespace varve

// Returns the Status of `expression` from the enclosing function unless it is Ok.
#define RETURN_IF_ERROR(expression)                                                              \
  do {                                                                                           \
    if (::varve::Status status_or_ok_ = (expression); !status_or_ok_.ok()) return status_or_ok_; \
  } while (false)
