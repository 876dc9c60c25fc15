// resp/request_reader.h: bytes from a socket become requests.
//
// The reader owns a client's read buffer. The socket writes into it, the requests it
// yields are views into it: nothing is copied, except that a bulk argument of
// kSharedValueBytes or more gets memory of its own, into which it is received
// directly, and then travels by reference to the record, the log and later replies.
//
//   PrepareRead -> the socket fills -> DidRead -> Next, Next, ... until kNeedMore -> PrepareRead
//
// Requests stay valid until the next PrepareRead: a client whose command waits is not read from.
// Parsing is incremental: bytes once looked at are not looked at again, whether a request comes
// in one piece or byte by byte. Limits and their error texts are Redis'; see limits.h.
//
// Threads: loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/shared_bytes.h"
#include "base/slice.h"
#include "resp/limits.h"

namespace varve {

struct Request {
  std::vector<Slice> argv;  // never empty; argv[0] is the command as the client spelled it
  // Arguments that came as shared bytes: {index in argv, bytes}, ascending.
  std::vector<std::pair<size_t, SharedBytes>> shared;
};

class RequestReader {
 public:
  enum class Outcome : uint8_t { kRequest, kNeedMore, kProtocolError };

  // `limits` outlives the reader and may change between calls (AUTH lifts the small ones).
  explicit RequestReader(const RequestLimits& limits) : limits_(&limits) {}
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  // Where the socket should put what comes next; at least one byte.
  // Ends the life of all requests yielded so far.
  std::span<char> PrepareRead();
  // `size` bytes were put there; 0 is fine.
  void DidRead(size_t size);

  // Empty requests ("\r\n", "*0\r\n") are skipped. After kProtocolError the reader yields nothing
  // more; error() is the reply, whole: "ERR Protocol error: invalid bulk length". `request` is
  // overwritten if kRequest is returned, else undefined; reuse it to reuse its memory.
  Outcome Next(Request* request);
  const std::string& error() const { return error_; }

  void SetLimits(const RequestLimits& limits) { limits_ = &limits; }

  // Bytes received and not yet yielded; memory held. For limits and CLIENT LIST (qbuf, qbuf-free).
  size_t buffered_bytes() const { return end_ - begin_ + shared_received_total_; }
  // Of a large argument only what has been received counts: the rest is address space.
  size_t memory_bytes() const;
  // Gives the buffer back when nothing is in it. Ends the life of all requests, as PrepareRead
  // does.
  void ReleaseIfEmpty();

 private:
  // What comes next at parse_.
  //
  //   kStart --'*'--> kCount -> kBulkHeader -> kBulk -> kBulkHeader ... -> kStart (a request)
  //     |                          |    ^
  //     |                          v    |
  //     |                kSharedBulk -> kSharedBulkEnd -> kStart (a request)
  //     +--other--> kInline -> kStart (a request)                         any -> kFailed
  enum class State : uint8_t {
    kStart,
    kCount,          // "3\r\n" behind '*'
    kBulkHeader,     // "$5\r\n"
    kBulk,           // the bytes and their CRLF, in the buffer
    kSharedBulk,     // the bytes, received into shared memory
    kSharedBulkEnd,  // the CRLF behind them
    kInline,         // a line
    kFailed,
  };
  enum class Step : uint8_t { kContinue, kDone, kNeedMore, kFailed };

  // An argument of the incomplete request: bytes at an offset from begin_, which survives a move.
  struct PartialArgument {
    size_t offset;
    size_t size;
  };
  struct Free {
    void operator()(char* memory) const { std::free(memory); }
  };

  bool NextWhole(Request* request);
  Outcome NextInParts(Request* request);
  Step Advance(Request* request);
  Step ReadCount();
  Step ReadBulkHeader();
  Step ReadBulk();
  Step ReadSharedBulkEnd();
  Step ReadInline(Request* request);
  Step StartBulk(int64_t size);
  Step FinishArgument();
  Step FindLineEnd(char last, size_t line_begin, Slice too_long, size_t* line_end);
  void YieldPartial(Request* request);
  void StartOver();
  Step Fail(Slice error);

  void MoveTailToFront();
  void Resize(size_t capacity);

  // --- The buffer: [begin_, parse_) is the incomplete request, [parse_, end_) not yet looked at,
  // except for the part of a line up to scan_. One byte more than capacity_ is allocated:
  // buffer_[end_] is a NUL, so that reading digits stops there by itself. ---
  std::unique_ptr<char[], Free> buffer_;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t parse_ = 0;
  size_t scan_ = 0;
  size_t end_ = 0;

  // --- The incomplete request ---
  State state_ = State::kStart;
  int64_t arguments_left_ = 0;
  size_t bulk_size_ = 0;  // of the argument being received
  std::vector<PartialArgument> partial_;
  std::vector<std::pair<size_t, SharedBytes>> partial_shared_;
  size_t shared_received_ = 0;        // of partial_shared_.back(), in state kSharedBulk
  size_t shared_received_total_ = 0;  // of all in partial_shared_

  // --- How large the buffer should be ---
  bool last_read_was_full_ = false;
  uint8_t small_rounds_ = 0;  // times the buffer was emptied with most of it unused

  const RequestLimits* limits_;
  std::string error_;
};

}  // namespace varve
