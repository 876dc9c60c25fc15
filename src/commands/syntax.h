// commands/syntax.h: a row's `syntax` text, read into the tree of arguments that COMMAND DOCS
// shows.
//
//   key              an argument; its type follows from its name: see kTypes in syntax.cc
//   increment:double one whose type does not
//   GET              upper case: a token, as it stands
//   EX seconds       a token belongs to the plain arguments behind it; of several it makes a block
//   TYPE <A | B>     or to the choice behind it
//   [...]            optional
//   A | B            one of them; in brackets, or in <> where something is required
//   x [x ...]        x, several times; x may be more than one argument: "key value [key value ...]"
//   <...>...         the same for a choice
//
// redis-cli builds the hints it shows while one types from the tree. Threads: any.
#pragma once

#include <string>
#include <vector>

#include "base/slice.h"

namespace varve {

struct SyntaxArgument {
  std::string name;
  Slice type;   // "key", "string", "integer", ..., "pure-token", "oneof", "block"
  Slice token;  // empty: none
  bool optional = false;
  bool multiple = false;
  bool multiple_token = false;           // the token is repeated, too
  std::vector<SyntaxArgument> children;  // of oneof and block
};

// REQUIRES: well-formed text, whose bytes outlive the result.
std::vector<SyntaxArgument> ParseSyntax(Slice syntax);

}  // namespace varve
