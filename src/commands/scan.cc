// commands/scan.cc: many keys: SCAN, KEYS, RANDOMKEY.
//
// Both SCAN and KEYS walk the keys in order and begin at the literal prefix of their pattern, so
// that "user:1:*" costs what lies under "user:1:" and nothing else. See data/scan_cursor.h for what
// a cursor stands for.
//
// A SCAN looks at a bounded number of entries however few match. A KEYS looks at all of them, but
// in slices, each in its own turn of the loop: it sees other clients' writes ahead of where it
// stands, and not those behind.
#include <algorithm>
#include <memory>
#include <string>

#include "base/glob.h"
#include "base/numbers.h"
#include "commands/command.h"
#include "commands/replies.h"
#include "commands/table.h"
#include "data/scan_cursor.h"
#include "resp/errors.h"

namespace varve {

namespace {

constexpr int64_t kScanCountDefault = 10;
// Entries that a SCAN looks at, tombstones included, for each one it was asked for, and at most.
constexpr int64_t kScanStepsPerKey = 10;
constexpr int64_t kScanStepsMax = 10'000;
// Entries that a KEYS looks at in one turn: well below a millisecond in memory.
constexpr uint64_t kKeysStepsPerSlice = 4'000;

// Keys on their way into a reply: as bulk strings already, since walked keys do not last.
class KeyList {
 public:
  void Add(Slice key) {
    encoded_.push_back('$');
    encoded_.append(Int64ToString(static_cast<int64_t>(key.size())));
    encoded_.append("\r\n").append(key).append("\r\n");
    ++count_;
  }
  void Add(const KeyList& other) {
    encoded_.append(other.encoded_);
    count_ += other.count_;
  }
  size_t count() const { return count_; }
  void Reply(ReplyWriter& reply) const {
    reply.Array(count_);
    reply.Raw(encoded_);
  }

 private:
  std::string encoded_;
  size_t count_ = 0;
};

bool MatchesAll(Slice pattern) { return pattern == "*"; }

// As strtoul reads it, which Redis does: no blank before it, a sign is taken, nothing at all is 0.
bool ParseCursor(Slice text, uint64_t* cursor) {
  *cursor = 0;
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.empty()) return false;
  }
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    if (__builtin_mul_overflow(*cursor, uint64_t{10}, cursor) ||
        __builtin_add_overflow(*cursor, static_cast<uint64_t>(c - '0'), cursor)) {
      return false;
    }
  }
  if (negative) *cursor = 0 - *cursor;
  return true;
}

// SCAN cursor [MATCH pattern] [COUNT count] [TYPE type] -> the next cursor, or 0 at the end; and
// some keys.
Status Scan(CommandContext& ctx, ArgReader args) {
  uint64_t cursor = 0;
  if (!ParseCursor(args.Next(), &cursor)) return errors::Refuse(errors::kInvalidCursor);
  Slice pattern = "*";
  Slice type;
  int64_t count = kScanCountDefault;
  bool has_type = false;
  while (args.more() && !args.failed()) {
    if (args.remaining() < 2) {
      args.Fail(StatusCode::kSyntaxError);
    } else if (args.TakeWord("match")) {
      pattern = args.Next();
    } else if (args.TakeWord("count")) {
      count = args.NextInt64();
      if (count < 1) args.Fail(StatusCode::kSyntaxError);
    } else if (args.TakeWord("type")) {
      has_type = true;
      type = args.Next();
    } else {
      args.Fail(StatusCode::kSyntaxError);
    }
  }
  if (Status s = args.Finish(); !s.ok()) return s;

  ScanCursors& cursors = ctx.services.scan_cursors();
  const std::string* position = cursor != 0 ? cursors.Find(cursor, ctx.view.database()) : nullptr;
  const auto keys_max = static_cast<size_t>(std::min(count, kScanStepsMax));
  const uint64_t steps_max = std::min(keys_max * kScanStepsPerKey, size_t{kScanStepsMax});
  const bool all = MatchesAll(pattern);
  KeyList keys;
  const Result<View::Walk> walk = ctx.view.WalkKeys(
      GlobLiteralPrefix(pattern), position ? Slice(*position) : Slice(), position != nullptr,
      steps_max, [&](Slice key, const KeyValue& value) {
        const bool wanted = (all || GlobMatch(pattern, key)) &&
                            (!has_type || EqualsIgnoreCase(type, TypeName(value.type)));
        if (wanted) keys.Add(key);
        return keys.count() < keys_max;
      });
  if (!walk.ok()) return walk.status();

  const uint64_t next = walk->finished ? 0 : cursors.Save(ctx.view.database(), walk->position);
  ctx.reply.Array(2);
  ctx.reply.Bulk(std::to_string(next));
  keys.Reply(ctx.reply);
  return Status::Ok();
}

// How far a KEYS has come.
struct KeysProgress : View::Continuation {
  bool started = false;
  std::string position;
  KeyList keys;
};

// Walks one slice; sets `finished`. What a slice that must be repeated has found is dropped with
// it.
Status WalkSlice(View& view, Slice pattern, KeysProgress& progress, bool* finished) {
  const bool all = MatchesAll(pattern);
  KeyList keys;
  Result<View::Walk> walk =
      view.WalkKeys(GlobLiteralPrefix(pattern), progress.position, progress.started,
                    kKeysStepsPerSlice, [&](Slice key, const KeyValue&) {
                      if (all || GlobMatch(pattern, key)) keys.Add(key);
                      return true;
                    });
  if (!walk.ok()) return walk.status();
  progress.keys.Add(keys);
  progress.started = true;
  progress.position = std::move(walk->position);
  *finished = walk->finished;
  return Status::Ok();
}

// KEYS pattern -> all keys that match, in their order as bytes.
Status Keys(CommandContext& ctx, ArgReader args) {
  const Slice pattern = args.Next();
  std::unique_ptr<View::Continuation>& continuation = ctx.view.continuation();
  if (!ctx.view.may_yield()) {
    KeysProgress progress;
    for (bool finished = false; !finished;) {
      if (Status s = WalkSlice(ctx.view, pattern, progress, &finished); !s.ok()) return s;
    }
    progress.keys.Reply(ctx.reply);
    return Status::Ok();
  }

  if (!continuation) continuation = std::make_unique<KeysProgress>();
  auto& progress = static_cast<KeysProgress&>(*continuation);
  bool finished = false;
  if (Status s = WalkSlice(ctx.view, pattern, progress, &finished); !s.ok()) {
    if (!s.is_pending()) continuation.reset();
    return s;
  }
  if (!finished) {
    ctx.view.YieldToLoop();
    return Status::Pending();
  }
  progress.keys.Reply(ctx.reply);
  continuation.reset();
  return Status::Ok();
}

// RANDOMKEY -> a key, or nil in an empty database.
Status RandomKey(CommandContext& ctx, ArgReader) {
  std::string key;
  Status s = ctx.view.RandomKey(&key);
  if (s.is_not_found()) {
    ctx.reply.Null();
    return Status::Ok();
  }
  if (!s.ok()) return s;
  ctx.reply.Bulk(key);
  return Status::Ok();
}

// --- The rows ----------------------------------------------------------------------------------

constexpr Slice kGroup = "generic";

// clang-format off
constexpr Command kCommands[] = {
    {.name = "keys", .run = Keys, .arity = 2, .flags = kReadOnly,
     .acl_categories = "dangerous",
     .tips = "request_policy:all_shards nondeterministic_output_order", .group = kGroup,
     .since = "1.0.0", .complexity = "O(N), N keys with the literal prefix of the pattern",
     .summary = "Lists all keys that match a pattern.", .syntax = "pattern"},
    {.name = "randomkey", .run = RandomKey, .arity = 1, .flags = kReadOnly,
     .tips = "request_policy:all_shards nondeterministic_output", .group = kGroup,
     .since = "1.0.0", .complexity = "O(1)", .summary = "Names any one key."},
    {.name = "scan", .run = Scan, .arity = -2, .flags = kReadOnly,
     .tips = "nondeterministic_output request_policy:special", .group = kGroup,
     .since = "2.8.0", .complexity = "O(1) a call; O(N) for a whole scan of N keys",
     .summary = "Lists keys, some at a time.",
     .syntax = "cursor [MATCH pattern] [COUNT count] [TYPE type]"},
};
// clang-format on

}  // namespace

std::span<const Command> ScanCommands() { return kCommands; }

}  // namespace varve
