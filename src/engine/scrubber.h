// engine/scrubber.h: reads tables and value files at rest now and then, to find out what has become of them.
//
// What nobody reads may be damaged for years before it is missed, and then the backups are too. A pass reads every file that is
// live when it begins, in the order of their numbers, a partition of a table or a value file at a time, and waits in between
// so that it stays below its rate. The next pass begins a day after this one began, or right behind it if that is later. What
// compactions replace meanwhile was read by them, and what they write as well.
//
// Memory     some 50 bytes for each file, during a pass.
// Threads    Loop; reads on Lane::kCheckpoint. What the page cache has is not read from the disk: it was read before.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/status.h"
#include "engine/engine_stats.h"
#include "engine/table/table_directory.h"
#include "engine/version/version.h"
#include "env/env.h"

namespace varve {

class Scrubber {
 public:
  struct Parts {
    Env& env;
    TableDirectory files;
    std::function<std::shared_ptr<const Version>()> version;  // as of now
    std::function<void(const Status&)> on_damage;
  };
  explicit Scrubber(Parts parts) : parts_(std::move(parts)) {}
  ~Scrubber() { Stop(); }
  Scrubber(const Scrubber&) = delete;
  Scrubber& operator=(const Scrubber&) = delete;

  // Bytes a second; 0: it rests, and goes on later where it was. The first pass begins soon after the first rate.
  void SetRate(uint64_t bytes_per_second);
  // For good. A job under way ends, and nobody hears of it.
  void Stop();

  const ScrubStats& stats() const { return stats_; }

 private:
  struct LiveFile {
    uint64_t number = 0;
    bool is_table = false;
    ValueFileMeta values;  // otherwise
  };
  // How far a table has been read. `reader` is there when it has been opened.
  struct Place {
    size_t partition = 0;
    std::optional<uint64_t> blocks_end = 0;
    std::shared_ptr<const TableReader> reader;
  };
  struct Outcome {
    std::vector<Status> damages = {};
    uint64_t bytes = 0;
    std::optional<Place> next = {};  // of the table, if there is more of it
  };

  void RunAfter(uint64_t ms);
  void ReadNext();
  void Read(const LiveFile& file);
  void DidRead(Outcome outcome);
  void EndPass();
  // All that are live, by rising number.
  std::vector<LiveFile> LiveFiles() const;
  bool IsLive(uint64_t number) const;
  static Outcome ReadTable(const TableDirectory& files, uint64_t number, Place place);
  static Outcome ReadValues(const TableDirectory& files, const ValueFileMeta& meta);

  const Parts parts_;
  uint64_t rate_ = 0;
  bool stopped_ = false;
  bool reading_ = false;
  Env::TimerId timer_ = 0;
  uint64_t pass_began_us_ = 0;
  std::vector<LiveFile> files_;  // of this pass
  size_t file_ = 0;              // that is read, or read next
  Place place_;                  // in it
  ScrubStats stats_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace varve
