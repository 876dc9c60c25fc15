// tests/fuzz/fuzz_request_reader.cc: foreign bytes into the request reader.
//
// The first three bytes of an input choose limits and how the rest is cut into reads; the rest is
// the stream. It is parsed whole and in pieces: both must yield the same requests and the same
// error, and memory stays in proportion to what was received.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "base/check.h"
#include "resp/request_reader.h"

namespace {

using namespace varve;

// All that was yielded, in one string that is equal for equal requests only.
std::string Parse(Slice stream, const RequestLimits& limits, size_t piece) {
  RequestReader reader(limits);
  std::string yielded;
  const size_t memory_max = 3 * stream.size() * sizeof(Slice) + 200'000;
  Request request;
  while (!stream.empty()) {
    const std::span<char> space = reader.PrepareRead();
    CHECK(!space.empty());
    const size_t size = std::min({space.size(), stream.size(), piece});
    std::memcpy(space.data(), stream.data(), size);
    reader.DidRead(size);
    stream.remove_prefix(size);
    RequestReader::Outcome outcome;
    while ((outcome = reader.Next(&request)) == RequestReader::Outcome::kRequest) {
      CHECK(!request.argv.empty());
      yielded += "\n" + std::to_string(request.argv.size());
      for (const Slice argument : request.argv) {
        yielded += " " + std::to_string(argument.size()) + ":";
        yielded += argument;
      }
      for (const auto& [index, bytes] : request.shared) {
        CHECK(bytes.slice().data() == request.argv[index].data());
        yielded += " shared " + std::to_string(index);
      }
    }
    CHECK(reader.memory_bytes() <= memory_max);
    if (outcome == RequestReader::Outcome::kProtocolError) return yielded + "\n" + reader.error();
  }
  return yielded;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kChoiceBytes = 3;
  if (size < kChoiceBytes) return 0;
  RequestLimits limits;
  limits.authenticated = (data[0] & 1) == 0;
  if ((data[0] & 2) != 0) limits.inline_bytes_max = 16;
  if ((data[0] & 4) != 0) limits.arguments_max = 4;
  const size_t piece = 1 + (data[1] | static_cast<size_t>(data[2]) << 8);
  const Slice stream(reinterpret_cast<const char*>(data) + kChoiceBytes, size - kChoiceBytes);

  const std::string whole = Parse(stream, limits, SIZE_MAX);
  CHECK(whole == Parse(stream, limits, piece));
  CHECK(whole == Parse(stream, limits, 1));
  return 0;
}
