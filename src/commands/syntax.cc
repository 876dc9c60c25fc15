// commands/syntax.cc: a small recursive descent.
//
//   alternatives = sequence { "|" sequence }
//   sequence     = { item }
//   item         = "[" alternatives "]" | "<" alternatives ">" ["..."] | TOKEN {name} | name
//
// A repetition, "[" sequence "...]", marks what stands before it instead of adding anything.
#include "commands/syntax.h"

#include <cstddef>
#include <iterator>
#include <utility>

#include "base/check.h"

namespace varve {

namespace {

// The types of names that mean the same everywhere. Any other name is a string.
// clang-format off
constexpr std::pair<Slice, Slice> kTypes[] = {
    {"key", "key"},          {"key1", "key"},           {"key2", "key"},
    {"newkey", "key"},       {"source", "key"},         {"destination", "key"},
    {"seconds", "integer"},  {"milliseconds", "integer"}, {"increment", "integer"},
    {"decrement", "integer"}, {"offset", "integer"},    {"start", "integer"},
    {"end", "integer"},      {"len", "integer"},        {"count", "integer"},
    {"cursor", "integer"},   {"index", "integer"},      {"index1", "integer"},
    {"index2", "integer"},   {"db", "integer"},         {"destination-db", "integer"},
    {"protover", "integer"}, {"client-id", "integer"},  {"pattern", "pattern"},
    {"unix-time-seconds", "unix-time"}, {"unix-time-milliseconds", "unix-time"},
};
// clang-format on
constexpr Slice kAllTypes[] = {"key", "string", "integer", "double", "pattern", "unix-time"};

bool IsToken(Slice word) {
  for (const char c : word) {
    if (c >= 'a' && c <= 'z') return false;
  }
  return true;
}

std::string ToLower(Slice word) {
  std::string lower(word);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return lower;
}

// A choice or block is called after its members, "on_off"; two have names in Redis that clients may
// know.
std::string JoinNames(const std::vector<SyntaxArgument>& members) {
  if (members.size() > 1 && members.front().name == "nx") return "condition";
  if (members.size() > 2 && members.front().token == "EX") return "expiration";
  std::string joined;
  for (const SyntaxArgument& member : members) {
    if (!joined.empty()) joined.push_back('_');
    joined.append(member.name);
  }
  return joined;
}

SyntaxArgument Group(Slice type, std::vector<SyntaxArgument> members) {
  SyntaxArgument group;
  group.name = JoinNames(members);
  group.type = type;
  group.children = std::move(members);
  return group;
}

SyntaxArgument Plain(Slice word) {
  SyntaxArgument argument;
  argument.name = word;
  argument.type = "string";
  for (const auto& [name, type] : kTypes) {
    if (word == name) argument.type = type;
  }
  if (const size_t colon = word.rfind(':'); colon != Slice::npos) {
    for (const Slice type : kAllTypes) {
      if (word.substr(colon + 1) != type) continue;
      argument.name = word.substr(0, colon);
      argument.type = type;
    }
  }
  return argument;
}

class Parser {
 public:
  explicit Parser(Slice text) : rest_(text) { Advance(); }

  std::vector<SyntaxArgument> Sequence() {
    std::vector<SyntaxArgument> items;
    while (!word_.empty() && word_ != "]" && word_ != ">" && word_ != "|" && word_ != "...") {
      if (word_ == "[") {
        Optional(&items);
      } else if (word_ == "<") {
        items.push_back(Choice());
      } else if (IsToken(word_)) {
        items.push_back(Token());
      } else {
        items.push_back(Plain(Take()));
      }
    }
    return items;
  }

 private:
  // The words: brackets, "|", "...", and everything between blanks.
  void Advance() {
    while (rest_.starts_with(' ')) rest_.remove_prefix(1);
    size_t size = rest_.find_first_of(" []<>|");
    if (size == 0) size = 1;
    word_ = rest_.substr(0, size);
    rest_.remove_prefix(word_.size());
  }
  Slice Take() {
    const Slice word = word_;
    Advance();
    return word;
  }
  void Expect(Slice word) {
    CHECK(word_ == word);
    Advance();
  }

  // Up to the closing bracket.
  std::vector<SyntaxArgument> Alternatives(Slice close, bool* is_choice) {
    std::vector<std::vector<SyntaxArgument>> sequences{Sequence()};
    while (word_ == "|") {
      Advance();
      sequences.push_back(Sequence());
    }
    if (word_ != "...") Expect(close);
    *is_choice = sequences.size() > 1;
    if (!*is_choice) return std::move(sequences.front());
    std::vector<SyntaxArgument> members;
    for (std::vector<SyntaxArgument>& sequence : sequences) {
      members.push_back(sequence.size() == 1 ? std::move(sequence.front())
                                             : Group("block", std::move(sequence)));
    }
    return members;
  }

  SyntaxArgument Choice() {
    Expect("<");
    bool is_choice = false;
    std::vector<SyntaxArgument> members = Alternatives(">", &is_choice);
    SyntaxArgument choice = !is_choice && members.size() == 1
                                ? std::move(members.front())
                                : Group(is_choice ? "oneof" : "block", std::move(members));
    if (word_ == "...") {
      Advance();
      choice.multiple = true;
    }
    return choice;
  }

  void Optional(std::vector<SyntaxArgument>* items) {
    Expect("[");
    bool is_choice = false;
    std::vector<SyntaxArgument> members = Alternatives("]", &is_choice);
    if (word_ == "...") {
      Advance();
      Expect("]");
      Repeat(items, members.size());
      return;
    }
    SyntaxArgument argument = members.size() == 1
                                  ? std::move(members.front())
                                  : Group(is_choice ? "oneof" : "block", std::move(members));
    argument.optional = true;
    items->push_back(std::move(argument));
  }

  // The last `count` items may come several times.
  static void Repeat(std::vector<SyntaxArgument>* items, size_t count) {
    CHECK(count > 0 && count <= items->size());
    if (count > 1) {
      const auto first = items->end() - static_cast<std::ptrdiff_t>(count);
      std::vector<SyntaxArgument> members(std::make_move_iterator(first),
                                          std::make_move_iterator(items->end()));
      items->erase(first, items->end());
      items->push_back(Group("block", std::move(members)));
    }
    items->back().multiple = true;
    items->back().multiple_token = !items->back().token.empty();
  }

  // A token with what belongs to it.
  SyntaxArgument Token() {
    const Slice token = Take();
    std::vector<SyntaxArgument> operands;
    bool repeated = false;
    if (word_ == "<") {
      operands.push_back(Choice());
    } else {
      while (!word_.empty() && Slice("[]<>|").find(word_.front()) == Slice::npos &&
             word_ != "..." && !IsToken(word_)) {
        operands.push_back(Plain(Take()));
      }
      // "ID client-id [client-id ...]" repeats the operand, "PREFIX prefix [PREFIX prefix ...]" the
      // whole.
      if (operands.size() == 1 && word_ == "[" &&
          rest_.starts_with(operands.front().name + " ...]")) {
        Optional(&operands);
        repeated = true;
      }
    }
    SyntaxArgument argument;
    if (operands.empty()) {
      argument.name = ToLower(token);
      argument.type = "pure-token";
    } else if (operands.size() == 1 && !repeated) {
      argument = std::move(operands.front());
    } else {
      argument = Group("block", std::move(operands));
    }
    argument.token = token;
    return argument;
  }

  Slice rest_;
  Slice word_;  // the next word; empty at the end
};

}  // namespace

std::vector<SyntaxArgument> ParseSyntax(Slice syntax) { return Parser(syntax).Sequence(); }

}  // namespace varve
