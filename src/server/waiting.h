// server/waiting.h: what a client keeps that cannot go on at once.
//
// A command that returned kPending is run again when what it needs has come. Until then its client
// keeps
//
//   - the view, whose scope counts what is on its way and pins what has come
//   - that request, and those parsed behind it: views into the client's read buffer, into
//     which nothing is read meanwhile
//
// Requests are kept as well, without a view, when a client has had its share of the turn or has
// enough replies on their way. Destroying Held forgets the wait: a client may go at any time.
#pragma once

#include <memory>
#include <vector>

#include "data/view.h"
#include "resp/request_reader.h"

namespace varve {

struct Command;

// A request and the row that will run it.
struct ParsedRequest {
  Request request;
  const Command* command = nullptr;  // null: there is no such command, or not with these arguments
};

struct Held {
  std::unique_ptr<View> view;  // null unless the first request waits
  std::vector<ParsedRequest> requests;
  uint64_t took_ns = 0;  // by the one that waits, until now
};

}  // namespace varve
