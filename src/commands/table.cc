// commands/table.cc: the rows gathered, and a hash from name to row.
//
// The hash never looks at more than two words of a name: its first and its last eight bytes, in
// lower case, which with the length tell names of up to sixteen bytes apart exactly. So a lookup is
// two loads, a multiplication and, nearly always, one comparison. Longer names are few and are
// searched for one by one.
#include "commands/table.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>

#include "base/check.h"
#include "resp/errors.h"

namespace varve {

namespace {

constexpr size_t kShortNameBytesMax = 16;

// 'A'..'Z' to lower case in each of eight bytes.
uint64_t ToLower(uint64_t bytes) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  const uint64_t low_bits = bytes & (kOnes * 0x7f);
  const uint64_t at_least_a = low_bits + kOnes * (0x80 - 'A');
  const uint64_t beyond_z = low_bits + kOnes * (0x7f - 'Z');
  const uint64_t is_upper = (at_least_a ^ beyond_z) & ~bytes & (kOnes * 0x80);
  return bytes | is_upper >> 2;
}

template <typename T>
uint64_t Load(const char* from) {
  T word;
  std::memcpy(&word, from, sizeof(word));
  return word;
}

// A name of 1 to kShortNameBytesMax bytes. The two words overlap where it is short.
struct ShortName {
  uint64_t head;
  uint64_t tail;

  explicit ShortName(Slice name) {
    const char* const data = name.data();
    const size_t size = name.size();
    if (size >= 8) {
      head = ToLower(Load<uint64_t>(data));
      tail = ToLower(Load<uint64_t>(data + size - 8));
    } else if (size >= 4) {
      head = ToLower(Load<uint32_t>(data));
      tail = ToLower(Load<uint32_t>(data + size - 4));
    } else {
      head = ToLower(Load<uint8_t>(data) | Load<uint8_t>(data + size / 2) << 8);
      tail = ToLower(Load<uint8_t>(data + size - 1));
    }
  }
};

class Table {
 public:
  static const Table& Get() {
    static const Table& table = *new Table;  // Lives to the end: clients may still be answered.
    return table;
  }

  const Command* Find(Slice name) const {
    if (name.empty() || name.size() > kShortNameBytesMax) return FindLong(name);
    const ShortName wanted(name);
    for (size_t i = SlotOf(wanted, name.size());; i = (i + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[i];
      if (slot.command == nullptr) return nullptr;
      if (slot.head == wanted.head && slot.tail == wanted.tail && slot.size == name.size()) {
        return slot.command;
      }
    }
  }

  const std::vector<Command>& rows() const { return rows_; }
  std::span<const Command* const> commands() const { return commands_; }

 private:
  struct Slot {
    uint64_t head = 0;
    uint64_t tail = 0;
    size_t size = 0;
    const Command* command = nullptr;
  };

  Table() {
    for (const std::span<const Command> rows :
         {ConnectionCommands(), ClientCommands(), KeyCommands(), ExpireCommands(), ScanCommands(),
          StringCommands(), TransactionCommands(), AdminCommands(), LatencyCommands(),
          CommandCommands()}) {
      rows_.insert(rows_.end(), rows.begin(), rows.end());
    }
    const auto by_name = [](const Command& a, const Command& b) { return a.name < b.name; };
    std::sort(rows_.begin(), rows_.end(), by_name);
    const size_t count = rows_.size();
    size_t total = count;
    for (const Command& row : rows_) total += row.subcommands.size();
    rows_.reserve(total);  // From here on rows stay where they are.
    for (size_t i = 0; i < count; ++i) {
      const size_t first = rows_.size();
      rows_.insert(rows_.end(), rows_[i].subcommands.begin(), rows_[i].subcommands.end());
      std::sort(rows_.begin() + static_cast<std::ptrdiff_t>(first), rows_.end(), by_name);
      for (size_t j = first; j < rows_.size(); ++j) {
        CHECK(rows_[j].name.starts_with(rows_[i].name));
        rows_[j].container = &rows_[i];
        rows_[j].first_argument = 2;
      }
      rows_[i].subcommands = std::span<const Command>(rows_).subspan(first);
    }

    // At most a quarter full, so that nearly every lookup ends at its first slot.
    slots_.resize(std::bit_ceil(count * 4));
    shift_ = 64 - static_cast<unsigned>(std::countr_zero(slots_.size()));
    for (size_t i = 0; i < count; ++i) {
      commands_.push_back(&rows_[i]);
      Insert(rows_[i]);
    }
  }

  void Insert(const Command& command) {
    CHECK(Find(command.name) == nullptr);
    if (command.name.size() > kShortNameBytesMax) {
      long_names_.push_back(&command);
      return;
    }
    const ShortName name(command.name);
    size_t i = SlotOf(name, command.name.size());
    while (slots_[i].command != nullptr) i = (i + 1) & (slots_.size() - 1);
    slots_[i] = {name.head, name.tail, command.name.size(), &command};
  }

  size_t SlotOf(const ShortName& name, size_t size) const {
    const uint64_t mixed = (name.head ^ std::rotl(name.tail, 29) ^ size) * 0x9e3779b97f4a7c15;
    return mixed >> shift_;
  }

  const Command* FindLong(Slice name) const {
    for (const Command* command : long_names_) {
      if (EqualsIgnoreCase(command->name, name)) return command;
    }
    return nullptr;
  }

  std::vector<Command> rows_;  // commands by name, then the subcommands of each
  std::vector<const Command*> commands_;
  std::vector<Slot> slots_;  // a power of two of them, open addressing
  unsigned shift_ = 0;
  std::vector<const Command*> long_names_;
};

const Command* FindSubcommand(const Command& container, Slice name) {
  for (const Command& subcommand : container.subcommands) {
    if (EqualsIgnoreCase(subcommand.short_name(), name)) return &subcommand;
  }
  return nullptr;
}

}  // namespace

const Command* FindCommand(Slice name) { return Table::Get().Find(name); }

const Command* FindByFullName(Slice name) {
  const size_t bar = name.find('|');
  const Command* command = FindCommand(name.substr(0, bar));
  if (command == nullptr || bar == Slice::npos) return command;
  return FindSubcommand(*command, name.substr(bar + 1));
}

std::span<const Command* const> AllCommands() { return Table::Get().commands(); }

int CommandIndex(const Command& command) {
  return static_cast<int>(&command - Table::Get().rows().data());
}

int CommandCount() { return static_cast<int>(Table::Get().rows().size()); }

const Command& CommandAt(int index) { return Table::Get().rows()[static_cast<size_t>(index)]; }

Result<const Command*> ResolveCommand(const Request& request) {
  const std::vector<Slice>& argv = request.argv;
  const Command* command = FindCommand(argv[0]);
  if (command == nullptr) return errors::Refuse(errors::UnknownCommand(argv));
  if (!command->subcommands.empty() && argv.size() >= 2) {
    const Command* subcommand = FindSubcommand(*command, argv[1]);
    if (subcommand == nullptr) {
      return errors::Refuse(errors::UnknownSubcommand(command->name, argv[1]));
    }
    command = subcommand;
  }
  const auto count = static_cast<int>(argv.size());
  if (command->arity >= 0 ? count != command->arity : count < -command->arity) {
    return errors::Refuse(errors::WrongArity(command->name));
  }
  return command;
}

KeyRange KeysOf(const Command& command, size_t argument_count) {
  const KeyPositions& keys = command.keys;
  if (keys.first <= 0) return {};
  const auto count = static_cast<int64_t>(argument_count);
  const int64_t last = keys.last < 0 ? count + keys.last : keys.last;
  KeyRange range;
  range.first = static_cast<size_t>(keys.first);
  range.last = static_cast<size_t>(std::clamp<int64_t>(last, 0, count - 1));
  range.step = static_cast<size_t>(keys.step);
  return range;
}

Result<std::vector<size_t>> KeyIndexes(const Command& command, const Request& request) {
  std::vector<size_t> indexes;
  const KeyRange range = KeysOf(command, request.argv.size());
  if (command.keys.first > 0 && range.first > range.last) {
    return errors::Refuse(errors::kInvalidCommandArguments);
  }
  for (size_t i = range.first; i <= range.last; i += range.step) indexes.push_back(i);
  return indexes;
}

}  // namespace varve
