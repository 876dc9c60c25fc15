// tests/support/posix_world.h: a loop, an Env on it, and a directory that goes away with them.
//
// Include it before <doctest/doctest.h>.
#pragma once

#include <uv.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "env/posix_env.h"

#include <doctest/doctest.h>

namespace varve {

class PosixWorld {
 public:
  explicit PosixWorld(const PosixEnvOptions& options = {}, const std::string& parent = "/tmp")
      : directory_(parent + "/varve-env-XXXXXX") {
    REQUIRE(mkdtemp(directory_.data()) != nullptr);
    REQUIRE(uv_loop_init(&loop_) == 0);
    env_.emplace(&loop_, options);
  }
  ~PosixWorld() {
    Close();
    CHECK(uv_loop_close(&loop_) == 0);  // no handle was left behind
    std::filesystem::remove_all(directory_);
  }
  PosixWorld(const PosixWorld&) = delete;
  PosixWorld& operator=(const PosixWorld&) = delete;

  void Close() { env_.reset(); }

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  std::unique_ptr<File> Create(const std::string& name) {
    Result<std::unique_ptr<File>> file = env_->Open(Path(name), OpenMode::kCreate);
    REQUIRE(file.ok());
    return std::move(*file);
  }
  void RunAll() {
    env_->RunUntil([this] { return env_->pending_jobs() == 0; });
  }

  PosixEnv& env() { return *env_; }
  uv_loop_t* loop() { return &loop_; }
  const std::string& directory() const { return directory_; }

 private:
  std::string directory_;
  uv_loop_t loop_;
  std::optional<PosixEnv> env_;
};

}  // namespace varve
