// resp/request_reader.cc: the grammar of requests, once fast and once in full.
//
//   NextWhole     a request that is all here and has nothing unusual about it: one pass, no state.
//                 This is what nearly every request of every client is.
//   NextInParts   the whole grammar, resumable at any byte: state_ says what comes next, parse_
//                 where. It takes over from the start of the request, so a byte is looked at twice
//                 at most.
//
// The buffer starts at kBufferBytesMin and doubles when the incomplete request leaves less than a
// quarter of it free, so memory follows what was received, never what was announced. The tail
// moves to the front at each PrepareRead; a request that is received in n reads is moved once, as
// it begins the buffer from then on.
//
// A bulk of kSharedValueBytes or more goes to shared memory even if all of it is in the buffer
// already (seen only when the caller reads twice without parsing, as one read is at most that
// large). Leaving a view would save one copy here and cost two later, into the record and the
// log; and it would make what a command gets depend on how its bytes happened to arrive.
//
// As Redis does, we do not look at the two bytes behind a bulk nor at the one behind a CR in a
// header: some old client may send what it likes there. Unlike Redis, a NUL is an ordinary byte
// in an inline command, where Redis would wait for more until the line is too long.
#include "resp/request_reader.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>

#include "base/check.h"
#include "base/numbers.h"
#include "resp/errors.h"

namespace varve {

namespace {

constexpr size_t kBufferBytesMin = 16 * 1024;
// One read into the buffer, so that a large bulk is never all in the buffer when its header is.
constexpr size_t kReadBytesMax = kSharedValueBytes;
// One read into a shared value: a few tens of microseconds of copying.
constexpr size_t kSharedReadBytesMax = 256 * 1024;
// After this many mostly unused rounds in a row the buffer halves.
constexpr uint8_t kSmallRoundsMax = 32;
// NextWhole leaves requests with more arguments to NextInParts.
constexpr uint32_t kWholeArgumentsMax = 1024;
// "$0\r\n\r\n"
constexpr size_t kArgumentBytesMin = 6;
// What the list of arguments may keep between requests.
constexpr size_t kPartialArgumentsKept = 1024;

// Reads up to six digits and the CRLF behind them; returns what follows, or null if there is
// anything else there. May return one byte past the end, if the LF is not here yet. REQUIRES: a
// NUL behind the bytes.
inline const char* ReadSmallNumber(const char* p, uint32_t* number) {
  const auto digit = [](char c) {
    return static_cast<uint32_t>(static_cast<unsigned char>(c)) - '0';
  };
  uint32_t value = digit(*p);
  if (value > 9) return nullptr;
  uint32_t next = digit(*++p);
  if (next <= 9) {
    if (value == 0) return nullptr;  // a leading zero
    do {
      value = value * 10 + next;
      next = digit(*++p);
    } while (next <= 9 && value < 100000);
  }
  if (*p != '\r') return nullptr;
  *number = value;
  return p + 2;
}

// Shared bytes whose content is not set: all of it will be received before anyone sees it. Asking
// for zeros instead would make the allocator give back pages it has at hand and fault them in
// again, ten times the cost of copying the value. Null if there is not that much address space: a
// client asked for it, so the server lives on.
SharedBytes AllocateUnset(size_t size) {
  char* const memory = static_cast<char*>(std::malloc(size));
  if (memory == nullptr) return {};
  return SharedBytes::Alias(
      Slice(memory, size),
      std::shared_ptr<const void>(memory, [memory](const void*) { std::free(memory); }));
}

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char Unescape(char c) {
  switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'b': return '\b';
    case 'a': return '\a';
    default: return c;
  }
}

// Copies what is quoted from `p`, behind the opening quote, to *out. Returns what is behind the
// closing quote, or null if there is none or it is not the argument's end.
char* Unquote(char quote, char* p, char* end, char** out) {
  while (p < end && *p != quote) {
    if (*p != '\\' || p + 1 == end) {
      *(*out)++ = *p++;
    } else if (quote == '\'') {
      if (p[1] == '\'') ++p;
      *(*out)++ = *p++;
    } else if (end - p >= 4 && p[1] == 'x' && HexDigit(p[2]) >= 0 && HexDigit(p[3]) >= 0) {
      *(*out)++ = static_cast<char>(HexDigit(p[2]) * 16 + HexDigit(p[3]));
      p += 4;
    } else {
      *(*out)++ = Unescape(p[1]);
      p += 2;
    }
  }
  if (p == end) return nullptr;
  ++p;
  return p == end || IsSpace(*p) ? p : nullptr;
}

// Splits a line into arguments as Redis' sdssplitargs does. Quotes and escapes are taken out in
// place, for that only shortens. Returns false if quotes are unbalanced.
bool SplitInline(char* p, char* end, std::vector<Slice>* argv) {
  for (;;) {
    while (p < end && IsSpace(*p)) ++p;
    if (p == end) return true;
    char* const begin = p;
    char* out = p;
    while (p < end && *p != ' ' && *p != '\t' && *p != '\r') {
      if (*p == '"' || *p == '\'') {
        p = Unquote(*p, p + 1, end, &out);
        if (p == nullptr) return false;
        break;
      }
      *out++ = *p++;
    }
    argv->emplace_back(begin, static_cast<size_t>(out - begin));
  }
}

}  // namespace

// --- Reading ---

std::span<char> RequestReader::PrepareRead() {
  if (state_ == State::kSharedBulk) {
    SharedBytes& bytes = partial_shared_.back().second;
    return {bytes.mutable_data() + shared_received_,
            std::min(bytes.size() - shared_received_, kSharedReadBytesMax)};
  }

  const size_t used = end_;
  MoveTailToFront();
  size_t wanted = std::max(capacity_, kBufferBytesMin);
  if (used >= capacity_ / 4) {
    small_rounds_ = 0;
  } else if (wanted > kBufferBytesMin && ++small_rounds_ >= kSmallRoundsMax) {
    small_rounds_ = 0;
    wanted /= 2;
  }
  // More is waiting in the socket, and large reads are cheaper.
  if (last_read_was_full_ && wanted < kReadBytesMax && limits_->authenticated) wanted *= 2;
  while (wanted - end_ < wanted / 4) wanted *= 2;
  if (wanted != capacity_) Resize(wanted);
  return {buffer_.get() + end_, std::min(capacity_ - 1 - end_, kReadBytesMax)};
}

void RequestReader::DidRead(size_t size) {
  if (state_ == State::kFailed) return;  // what follows a protocol error is not looked at
  if (state_ == State::kSharedBulk) {
    shared_received_ += size;
    shared_received_total_ += size;
    CHECK(shared_received_ <= bulk_size_);
    if (shared_received_ == bulk_size_) state_ = State::kSharedBulkEnd;
    return;
  }
  CHECK(size < capacity_ - end_);
  last_read_was_full_ = size >= std::min(capacity_ - 1 - end_, kReadBytesMax);
  end_ += size;
  buffer_.get()[end_] = '\0';
}

void RequestReader::MoveTailToFront() {
  if (begin_ == 0) return;
  if (end_ > begin_) std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
  if (state_ != State::kStart) {
    parse_ -= begin_;
    scan_ -= begin_;
  }
  end_ -= begin_;
  begin_ = 0;
  buffer_.get()[end_] = '\0';
}

// `capacity` is what malloc is asked for, a power of two: one byte of it is the NUL at
// buffer_[end_].
void RequestReader::Resize(size_t capacity) {
  char* memory = static_cast<char*>(std::realloc(buffer_.get(), capacity));
  CHECK(memory != nullptr);
  static_cast<void>(buffer_.release());
  buffer_.reset(memory);
  capacity_ = capacity;
  memory[end_] = '\0';
}

size_t RequestReader::memory_bytes() const {
  return capacity_ + partial_.capacity() * sizeof(partial_[0]) +
         partial_shared_.capacity() * sizeof(partial_shared_[0]) + shared_received_total_;
}

void RequestReader::ReleaseIfEmpty() {
  if (begin_ != end_ || (state_ != State::kStart && state_ != State::kFailed)) return;
  buffer_.reset();
  capacity_ = begin_ = parse_ = scan_ = end_ = 0;
  partial_ = std::vector<PartialArgument>();
  partial_shared_ = std::vector<std::pair<size_t, SharedBytes>>();
  last_read_was_full_ = false;
}

// --- Parsing, when all is here ---

RequestReader::Outcome RequestReader::Next(Request* request) {
  if (state_ == State::kStart) {
    if (begin_ == end_) return Outcome::kNeedMore;
    if (NextWhole(request)) return Outcome::kRequest;
  }
  return NextInParts(request);
}

bool RequestReader::NextWhole(Request* request) {
  const RequestLimits& limits = *limits_;
  const char* p = buffer_.get() + begin_;
  const char* const end = buffer_.get() + end_;
  if (*p != '*' || !limits.authenticated) return false;

  uint32_t count = 0;
  p = ReadSmallNumber(p + 1, &count);
  if (p == nullptr || count == 0 || count > kWholeArgumentsMax) return false;
  if (count > limits.arguments_max || end - p < static_cast<ptrdiff_t>(count * kArgumentBytesMin)) {
    return false;
  }

  if (!request->shared.empty()) request->shared.clear();
  request->argv.resize(count);
  Slice* argument = request->argv.data();
  const int64_t size_max = std::min<int64_t>(limits.bulk_bytes_max, kSharedValueBytes - 1);
  for (const Slice* const last = argument + count; argument != last; ++argument) {
    if (*p != '$') return false;  // At the end of the bytes this is the NUL.
    uint32_t size = 0;
    p = ReadSmallNumber(p + 1, &size);
    if (p == nullptr || size > size_max || end - p < static_cast<ptrdiff_t>(size) + 2) return false;
    *argument = Slice(p, size);
    p += size + 2;
  }
  begin_ = static_cast<size_t>(p - buffer_.get());
  return true;
}

// --- Parsing, in full ---

RequestReader::Outcome RequestReader::NextInParts(Request* request) {
  for (;;) {
    switch (Advance(request)) {
      case Step::kContinue: break;
      case Step::kDone: return Outcome::kRequest;
      case Step::kFailed: return Outcome::kProtocolError;
      case Step::kNeedMore: {
        const size_t held = buffered_bytes() + partial_.size() * sizeof(PartialArgument);
        if (held <= limits_->query_buffer_bytes_max) return Outcome::kNeedMore;
        Fail(errors::kQueryBufferLimit);
        return Outcome::kProtocolError;
      }
    }
  }
}

RequestReader::Step RequestReader::Advance(Request* request) {
  switch (state_) {
    case State::kStart:
      if (begin_ == end_) return Step::kNeedMore;
      parse_ = begin_;
      state_ = State::kInline;
      if (buffer_.get()[parse_] == '*') {
        ++parse_;
        state_ = State::kCount;
      }
      scan_ = parse_;
      return Step::kContinue;
    case State::kCount: return ReadCount();
    case State::kBulkHeader:
      if (arguments_left_ > 0) return ReadBulkHeader();
      YieldPartial(request);
      return Step::kDone;
    case State::kBulk: return ReadBulk();
    case State::kSharedBulk: return Step::kNeedMore;
    case State::kSharedBulkEnd: return ReadSharedBulkEnd();
    case State::kInline: return ReadInline(request);
    case State::kFailed: return Step::kFailed;
  }
  return Step::kFailed;
}

// Finds `last` in the line that begins at `line_begin`; a CR only counts with the byte behind it.
RequestReader::Step RequestReader::FindLineEnd(char last, size_t line_begin, Slice too_long,
                                               size_t* line_end) {
  const char* const buffer = buffer_.get();
  const void* const found = std::memchr(buffer + scan_, last, end_ - scan_);
  scan_ = found == nullptr ? end_ : static_cast<size_t>(static_cast<const char*>(found) - buffer);
  if (scan_ - line_begin > limits_->inline_bytes_max) return Fail(too_long);
  if (found == nullptr || (last == '\r' && scan_ + 1 == end_)) return Step::kNeedMore;
  *line_end = scan_;
  return Step::kContinue;
}

RequestReader::Step RequestReader::ReadCount() {
  size_t line_end = 0;
  const Step found = FindLineEnd('\r', parse_, errors::kTooBigMultibulkCount, &line_end);
  if (found != Step::kContinue) return found;

  const std::optional<int64_t> count = ParseInt64(Slice(buffer_.get() + parse_, line_end - parse_));
  if (!count || *count > limits_->arguments_max) return Fail(errors::kInvalidMultibulkLength);
  if (*count > kUnauthenticatedArgumentsMax && !limits_->authenticated) {
    return Fail(errors::kUnauthenticatedMultibulkLength);
  }
  parse_ = scan_ = line_end + 2;
  arguments_left_ = *count;
  state_ = State::kBulkHeader;
  if (*count <= 0) StartOver();
  return Step::kContinue;
}

RequestReader::Step RequestReader::ReadBulkHeader() {
  const char* const header = buffer_.get() + parse_;
  if (parse_ < end_ && *header == '$') {
    uint32_t size = 0;
    const char* const behind = ReadSmallNumber(header + 1, &size);
    if (behind != nullptr && behind <= buffer_.get() + end_) {
      parse_ = static_cast<size_t>(behind - buffer_.get());
      return StartBulk(size);
    }
  }

  size_t line_end = 0;
  const Step found = FindLineEnd('\r', parse_, errors::kTooBigBulkCount, &line_end);
  if (found != Step::kContinue) return found;
  if (*header != '$') return Fail(errors::ExpectedBulk(*header));
  const std::optional<int64_t> size = ParseInt64(Slice(header + 1, line_end - parse_ - 1));
  if (!size || *size < 0) return Fail(errors::kInvalidBulkLength);
  parse_ = line_end + 2;
  return StartBulk(*size);
}

RequestReader::Step RequestReader::StartBulk(int64_t size) {
  if (size > limits_->bulk_bytes_max) return Fail(errors::kInvalidBulkLength);
  if (size > kUnauthenticatedBulkBytesMax && !limits_->authenticated) {
    return Fail(errors::kUnauthenticatedBulkLength);
  }
  bulk_size_ = static_cast<size_t>(size);
  state_ = State::kBulk;
  if (bulk_size_ < kSharedValueBytes) return Step::kContinue;

  SharedBytes bytes = AllocateUnset(bulk_size_);
  if (!bytes) return Fail(errors::kNoMemoryForBulk);
  shared_received_ = std::min(bulk_size_, end_ - parse_);
  shared_received_total_ += shared_received_;
  std::memcpy(bytes.mutable_data(), buffer_.get() + parse_, shared_received_);
  partial_shared_.emplace_back(partial_.size(), std::move(bytes));
  partial_.push_back({});  // YieldPartial fills in the place.
  if (shared_received_ == bulk_size_) {
    parse_ += bulk_size_;
    state_ = State::kSharedBulkEnd;
  } else {
    end_ = parse_;  // What was copied leaves the buffer.
    buffer_.get()[end_] = '\0';
    state_ = State::kSharedBulk;
  }
  return Step::kContinue;
}

RequestReader::Step RequestReader::ReadBulk() {
  if (end_ - parse_ < bulk_size_ + 2) return Step::kNeedMore;
  partial_.push_back({parse_ - begin_, bulk_size_});
  parse_ += bulk_size_;
  return FinishArgument();
}

RequestReader::Step RequestReader::ReadSharedBulkEnd() {
  return end_ - parse_ < 2 ? Step::kNeedMore : FinishArgument();
}

RequestReader::Step RequestReader::FinishArgument() {
  parse_ += 2;  // CRLF
  scan_ = parse_;
  --arguments_left_;
  state_ = State::kBulkHeader;
  return Step::kContinue;
}

RequestReader::Step RequestReader::ReadInline(Request* request) {
  size_t line_end = 0;
  const Step found = FindLineEnd('\n', parse_, errors::kTooBigInline, &line_end);
  if (found != Step::kContinue) return found;

  char* const line = buffer_.get() + parse_;
  char* end = buffer_.get() + line_end;
  if (end > line && end[-1] == '\r') --end;
  request->shared.clear();
  request->argv.clear();
  if (!SplitInline(line, end, &request->argv)) return Fail(errors::kUnbalancedQuotes);
  parse_ = line_end + 1;
  StartOver();
  return request->argv.empty() ? Step::kContinue : Step::kDone;
}

void RequestReader::YieldPartial(Request* request) {
  const char* const begin = buffer_.get() + begin_;
  request->argv.clear();
  request->argv.reserve(partial_.size());
  for (const PartialArgument& argument : partial_) {
    request->argv.emplace_back(begin + argument.offset, argument.size);
  }
  request->shared.clear();
  request->shared.swap(partial_shared_);
  for (const auto& [index, bytes] : request->shared) request->argv[index] = bytes.slice();
  StartOver();
}

// The next request begins at parse_.
void RequestReader::StartOver() {
  begin_ = parse_;
  state_ = State::kStart;
  shared_received_ = 0;
  shared_received_total_ = 0;
  partial_.clear();
  if (partial_.capacity() > kPartialArgumentsKept) partial_ = std::vector<PartialArgument>();
}

RequestReader::Step RequestReader::Fail(Slice error) {
  error_ = error;
  parse_ = end_;
  StartOver();
  partial_shared_.clear();
  state_ = State::kFailed;
  return Step::kFailed;
}

}  // namespace varve
