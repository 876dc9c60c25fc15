#!/bin/bash
# tests/unit/utils/check_includes.sh: the include rule lets through what is allowed, and no more.
set -u
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
failed=0

# Put FILE TEXT: writes a source below an otherwise lawful tree.
Put() {
  mkdir -p "$top/src/$(dirname "$1")"
  printf '%s\n' "$2" > "$top/src/$1"
}

# Expect WHY TEXT: the checker must complain with TEXT, or not at all when TEXT is empty.
Expect() {
  local out code
  out=$(utils/check_includes "$top" 2>&1)
  code=$?
  if [ -z "$2" ] && [ $code = 0 ] && [ -z "$out" ]; then return; fi
  if [ -n "$2" ] && [ $code = 1 ] && [[ $out == *"$2"* ]]; then return; fi
  echo "$1: wanted '$2', got exit code $code and '$out'"
  failed=1
}

Lawful() {
  rm -rf "$top/src"
  Put base/slice.h '#include <string_view>'
  Put env/env.h '#include "base/slice.h"'
  Put env/posix_env.cc '#include <uv.h>'
  Put engine/log/log.h '#include "env/env.h"'
  Put engine/log/log.cc '  #  include "engine/log/log.h"  // Its own room.'
  Put data/hash.h '#include "engine/log/log.h"'
  Put resp/reply.h '#include "base/slice.h"'
  Put commands/hash.cc $'#include "data/hash.h"\n#include "resp/reply.h"'
  Put server/net/loop_uv.h '#include <uv.h>'
  Put server/net/loop.h '#include "base/slice.h"'
  Put server/net/loop.cc $'#include "server/net/loop.h"\n#include "server/net/loop_uv.h"'
  Put server/server.h $'#include "commands/hash.h"\n#include "server/net/loop.h"'
  Put commands/hash.h '#pragma once'
  Put tools/varve_server.cc $'#include "server/server.h"\n#include "env/env.h"'
}

Lawful
Expect 'a lawful tree' ''

# why | file | text | complaint
while IFS='|' read -r why file text complaint; do
  Lawful
  Put "$file" "$text"
  Expect "$why" "$complaint"
done <<'CASES'
base knows nobody|base/a.cc|#include "env/env.h"|src/base/a.cc:1: base may not know env
the engine knows no protocol|engine/a.h|#include "resp/reply.h"|engine may not know resp
types know no env|data/a.cc|#include "env/env.h"|data may not know env
commands know no engine|commands/a.cc|#include "engine/log/log.h"|commands may not know engine
commands know no server|commands/a.cc|#include "server/server.h"|commands may not know server
the server knows no tool|server/a.cc|#include "tools/a.h"|is no file under src/
from the src root|engine/log/a.cc|#include "log.h"|"log.h" is no file
in quotes|engine/a.cc|#include <env/env.h>|include it in quotes
a new room|attic/a.cc|#include <string>|'attic' is not one of the rooms
libuv in the engine|engine/a.cc|#include <uv.h>|<uv.h> belongs to
libuv beside net|server/a.cc|#include "uv.h"|<uv.h> belongs to
libuv through a header|server/a.cc|#include "server/net/loop_uv.h"|sees <uv.h> through server/net/loop_uv.h
CASES
exit $failed
