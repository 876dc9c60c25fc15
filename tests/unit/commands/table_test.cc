#include "commands/table.h"

#include <algorithm>
#include <set>
#include <string>

#include "commands/syntax.h"

#include <doctest/doctest.h>

namespace varve {

namespace {

Request RequestOf(std::vector<Slice> argv) {
  Request request;
  request.argv = std::move(argv);
  return request;
}

// "get", or the error.
std::string Resolve(std::vector<Slice> argv) {
  const Request request = RequestOf(std::move(argv));
  const Result<const Command*> command = ResolveCommand(request);
  return command.ok() ? std::string((*command)->name) : std::string(command.status().message());
}

bool IsLowerCase(Slice name) {
  return std::none_of(name.begin(), name.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

}  // namespace

TEST_CASE("table: every command is found by its name, in any case") {
  for (const Command* command : AllCommands()) {
    CAPTURE(command->name);
    CHECK(FindCommand(command->name) == command);
    std::string upper(command->name), mixed(command->name);
    for (char& c : upper) {
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    }
    mixed.back() = upper.back();
    CHECK(FindCommand(upper) == command);
    CHECK(FindCommand(mixed) == command);
  }
}

TEST_CASE("table: what is nearly a name is none") {
  for (const Command* command : AllCommands()) {
    const std::string name(command->name);
    CAPTURE(name);
    for (const std::string& near :
         {name + "x", name + std::string(1, '\0'), "x" + name, name.substr(1), name + " "}) {
      const Command* found = FindCommand(near);
      CHECK((found == nullptr || found->name == near));
    }
    for (size_t i = 0; i < name.size(); ++i) {
      std::string other = name;
      other[i] = static_cast<char>(other[i] ^ 0x40);
      CHECK(FindCommand(other) == nullptr);
    }
  }
  for (const Slice name :
       {"", "g", "ge", "client|id", "config|", "gettttttttttttttttttttttttttttt"}) {
    CHECK(FindCommand(name) == nullptr);
  }
}

TEST_CASE("table: rows are whole and in order") {
  std::set<int> indexes;
  Slice before;
  for (int i = 0; i < CommandCount(); ++i) {
    const Command& command = CommandAt(i);
    CAPTURE(command.name);
    CHECK(CommandIndex(command) == i);
    CHECK(IsLowerCase(command.name));
    CHECK(command.arity != 0);
    CHECK_FALSE(command.group.empty());
    CHECK_FALSE(command.since.empty());
    CHECK_FALSE(command.complexity.empty());
    CHECK(command.summary.ends_with('.'));
    CHECK((command.run != nullptr) !=
          (command.subcommands.size() > 0 && command.name != "command"));
    CHECK((command.keys.first > 0) == !command.key_flags.empty());
    CHECK((command.keys.step > 0) == (command.keys.first > 0));
    CHECK((command.container != nullptr) == (command.name.find('|') != Slice::npos));
    CHECK(command.first_argument == (command.container ? 2 : 1));
    (void)ParseSyntax(command.syntax);
    if (command.container) continue;
    CHECK(before < command.name);
    before = command.name;
  }
  for (const Command* command : AllCommands()) {
    for (const Command& subcommand : command->subcommands) {
      CAPTURE(subcommand.name);
      CHECK(subcommand.container == command);
      CHECK(CommandIndex(subcommand) >= static_cast<int>(AllCommands().size()));
    }
  }
}

TEST_CASE("table: a request is resolved to its row, or refused in Redis' words") {
  CHECK(Resolve({"GET", "k"}) == "get");
  CHECK(Resolve({"Client", "Id"}) == "client|id");
  CHECK(Resolve({"COMMAND"}) == "command");
  CHECK(Resolve({"command", "DOCS", "x"}) == "command|docs");
  CHECK(Resolve({"get"}) == "ERR wrong number of arguments for 'get' command");
  CHECK(Resolve({"GET", "a", "b"}) == "ERR wrong number of arguments for 'get' command");
  CHECK(Resolve({"config"}) == "ERR wrong number of arguments for 'config' command");
  CHECK(Resolve({"config", "set", "a"}) ==
        "ERR wrong number of arguments for 'config|set' command");
  CHECK(Resolve({"config", "Foo"}) == "ERR unknown subcommand 'Foo'. Try CONFIG HELP.");
  CHECK(Resolve({"foo", "a", "b c"}) ==
        "ERR unknown command 'foo', with args beginning with: 'a' 'b c' ");
}

TEST_CASE("table: keys are found where the row says") {
  const auto keys = [](std::vector<Slice> argv) {
    const Request request = RequestOf(std::move(argv));
    const Result<std::vector<size_t>> indexes = KeyIndexes(**ResolveCommand(request), request);
    REQUIRE(indexes.ok());
    return *indexes;
  };
  using Indexes = std::vector<size_t>;
  CHECK(keys({"get", "a"}) == Indexes{1});
  CHECK(keys({"mget", "a", "b", "c"}) == Indexes{1, 2, 3});
  CHECK(keys({"mset", "a", "1", "b", "2"}) == Indexes{1, 3});
  CHECK(keys({"mset", "a", "1", "b"}) == Indexes{1, 3});
  CHECK(keys({"rename", "a", "b"}) == Indexes{1, 2});
  CHECK(keys({"lcs", "a", "b", "LEN"}) == Indexes{1, 2});
  CHECK(keys({"object", "freq", "a"}) == Indexes{2});
  CHECK(keys({"ping"}) == Indexes{});
  CHECK(keys({"scan", "0"}) == Indexes{});

  const Request short_one = RequestOf({"get"});
  CHECK_FALSE(KeyIndexes(*FindCommand("get"), short_one).ok());
  const KeyRange range = KeysOf(*FindCommand("get"), 1);
  CHECK(range.first > range.last);
}

}  // namespace varve
