#include "commands/syntax.h"

#include <string>

#include <doctest/doctest.h>

namespace varve {

namespace {

// name:type, with =TOKEN, ? optional, * multiple, + multiple token, (children).
std::string Show(const std::vector<SyntaxArgument>& arguments) {
  std::string text;
  for (const SyntaxArgument& argument : arguments) {
    if (!text.empty()) text += " ";
    text += argument.name + ":" + std::string(argument.type);
    if (!argument.token.empty()) text += "=" + std::string(argument.token);
    if (argument.optional) text += "?";
    if (argument.multiple) text += "*";
    if (argument.multiple_token) text += "+";
    if (!argument.children.empty()) text += "(" + Show(argument.children) + ")";
  }
  return text;
}

}  // namespace

TEST_CASE("syntax: the notation of a row becomes the tree of COMMAND DOCS") {
  struct Case {
    const char* syntax;
    const char* want;
  };
  // clang-format off
  static constexpr Case kCases[] = {
      {"", ""},
      {"key", "key:key"},
      {"key value", "key:key value:string"},
      {"key increment", "key:key increment:integer"},
      {"key increment:double", "key:key increment:double"},
      {"[message]", "message:string?"},
      {"[username] password", "username:string? password:string"},
      {"key [key ...]", "key:key*"},
      {"[section [section ...]]", "section:string?*"},
      {"key value [key value ...]", "key_value:block*(key:key value:string)"},
      {"[LEN] [IDX]", "len:pure-token=LEN? idx:pure-token=IDX?"},
      {"[MINMATCHLEN len]", "len:integer=MINMATCHLEN?"},
      {"[NX | XX]", "condition:oneof?(nx:pure-token=NX xx:pure-token=XX)"},
      {"[ASYNC|SYNC]", "async_sync:oneof?(async:pure-token=ASYNC sync:pure-token=SYNC)"},
      {"<ON | OFF>", "on_off:oneof(on:pure-token=ON off:pure-token=OFF)"},
      {"[EX seconds | PX milliseconds | KEEPTTL]",
       "expiration:oneof?(seconds:integer=EX milliseconds:integer=PX keepttl:pure-token=KEEPTTL)"},
      {"[AUTH username password]",
       "username_password:block=AUTH?(username:string password:string)"},
      {"[protover [SETNAME clientname]]",
       "protover_clientname:block?(protover:integer clientname:string=SETNAME?)"},
      {"[TYPE <NORMAL | PUBSUB>]",
       "normal_pubsub:oneof=TYPE?(normal:pure-token=NORMAL pubsub:pure-token=PUBSUB)"},
      {"[ID client-id [client-id ...]]", "client-id:block=ID?(client-id:integer*)"},
      {"PREFIX prefix [PREFIX prefix ...]", "prefix:string=PREFIX*+"},
      {"<ip:port | <[ID client-id] | [ADDR ip:port]>...>",
       "ip:port_client-id_ip:port:oneof(ip:port:string "
       "client-id_ip:port:oneof*(client-id:integer=ID? ip:port:string=ADDR?))"},
  };
  // clang-format on
  for (const Case& c : kCases) {
    CAPTURE(c.syntax);
    CHECK(Show(ParseSyntax(c.syntax)) == c.want);
  }
}

}  // namespace varve
