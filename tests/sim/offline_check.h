// tests/sim/offline_check.h: a database of a simulated world, looked at while nobody has it open.
//
// Always in a copy: to look counts as no operation of the world, so that its history stays as it is. Include it
// before <doctest/doctest.h>.
#pragma once

#include <string>
#include <vector>

#include "engine/check/check.h"
#include "engine/file_names.h"
#include "env/sim_env.h"

#include <doctest/doctest.h>

namespace varve {

struct DatabaseCopy {
  DatabaseCopy(const SimEnv& from, const std::string& directory_in) : directory(directory_in) {
    REQUIRE(env.CreateDirectory(directory).ok());
    env.set_pending_percent(0);
    for (const std::string& name : from.Names(directory)) {
      env.SetContents(PathOf(name), from.Contents(PathOf(name)));
    }
  }

  std::string PathOf(const std::string& name) const { return JoinPath(directory, name); }
  std::string Contents(const std::string& name) const { return env.Contents(PathOf(name)); }
  std::vector<std::string> Names() const { return env.Names(directory); }

  CheckReport Check() {
    CheckReport report;
    const Status status = CheckDatabase(env, directory, &report);
    REQUIRE_MESSAGE(status.ok(), status.ToString());
    return report;
  }

  const std::string directory;
  SimEnv env{1};
};

inline std::string ToString(const CheckReport& report) {
  std::string text;
  for (const CheckFinding& problem : report.problems()) text += "\n  " + problem.ToString();
  for (const CheckFinding& note : report.notes()) text += "\n  note: " + note.ToString();
  return text;
}

// What lies in `directory`, if it is a database at all.
inline void RequireSound(const SimEnv& env, const std::string& directory) {
  DatabaseCopy copy(env, directory);
  CheckReport report;
  const Status status = CheckDatabase(copy.env, directory, &report);
  if (status.is_not_found()) return;
  REQUIRE_MESSAGE(status.ok(), status.ToString());
  if (!report.sound()) FAIL("the check finds" << ToString(report));
}

}  // namespace varve
