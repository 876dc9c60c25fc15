#include "commands/args.h"

#include <doctest/doctest.h>

namespace varve {

namespace {

Request RequestOf(std::vector<Slice> argv) {
  Request request;
  request.argv = std::move(argv);
  return request;
}

}  // namespace

TEST_CASE("args: they are read from left to right, and all must be used") {
  const Request request = RequestOf({"CMD", "key", "12", "1.5"});
  ArgReader args(request);
  CHECK(args.remaining() == 3);
  CHECK(args.Peek() == "key");
  CHECK(args.Next() == "key");
  CHECK(args.NextInt64() == 12);
  CHECK(args.NextLongDouble() == 1.5L);
  CHECK_FALSE(args.more());
  CHECK(args.Finish().ok());

  ArgReader unfinished(request);
  (void)unfinished.Next();
  CHECK(unfinished.Finish().code() == StatusCode::kSyntaxError);
}

TEST_CASE("args: the first bad one is remembered, and what follows is harmless") {
  const Request request = RequestOf({"CMD", "x", "y"});
  ArgReader args(request);
  CHECK(args.NextInt64() == 0);
  CHECK(args.NextLongDouble() == 0);
  CHECK(args.Next() == "");
  CHECK(args.NextInt64() == 0);
  CHECK(args.failed());
  CHECK(args.Finish().code() == StatusCode::kNotAnInteger);

  ArgReader missing(request, 3);
  CHECK(missing.NextInt64() == 0);
  CHECK(missing.Finish().code() == StatusCode::kSyntaxError);
}

TEST_CASE("args: words match in any case, and only whole") {
  const Request request = RequestOf({"CMD", "Nx", "nxx", "[@"});
  ArgReader args(request);
  CHECK_FALSE(args.TakeWord("xx"));
  CHECK(args.TakeWord("nx"));
  CHECK_FALSE(args.TakeWord("nx"));
  CHECK(args.TakeWord("NXX"));
  CHECK_FALSE(args.TakeWord("{`"));  // differs by the bit that makes letters small
  CHECK(args.TakeWord("[@"));
  CHECK_FALSE(args.TakeWord("more"));
}

TEST_CASE("args: a shared argument keeps its sharing") {
  Request request = RequestOf({"SET", "k", ""});
  const SharedBytes large = SharedBytes::CopyOf(std::string(kSharedValueBytes, 'x'));
  request.argv[2] = large.slice();
  request.shared.emplace_back(2, large);
  ArgReader args(request);
  SharedBytes shared;
  CHECK(args.Next(&shared) == "k");
  CHECK_FALSE(shared);
  CHECK(args.Next(&shared).size() == kSharedValueBytes);
  CHECK(shared.slice().data() == large.slice().data());
}

}  // namespace varve
