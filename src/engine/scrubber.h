// engine/scrubber.h: reads tables and value files at rest now and then, to find out what has become of them.
//
// What nobody reads may be damaged for years before it is missed, and then the backups are too. A pass reads every file that is
// live, in the order of their numbers, a partition of a table or a value file at a time, and waits in between so that
// it stays below its rate. The next pass begins a day after this one began, or right behind it if that is later. What compactions
// replace meanwhile was read by them.
//
// Threads    Loop; reads on Lane::kCheckpoint. What the page cache has is not read from the disk: it was read before.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

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
  // What is read next: a part of a file. `reader` is that of a table whose first partition has been read.
  struct Place {
    uint64_t file_number = 0;
    size_t partition = 0;
    std::shared_ptr<const TableReader> reader;
  };
  struct Outcome {
    Status status;
    uint64_t bytes = 0;
    std::shared_ptr<const TableReader> reader;
    bool more = false;  // of the table
  };
  struct LiveFile {
    uint64_t number = 0;
    bool is_table = false;
    ValueFileMeta values;  // otherwise
  };

  void RunAfter(uint64_t ms);
  void ReadNext();
  void Read(const LiveFile& file);
  void DidRead(const Outcome& outcome);
  void GoTo(uint64_t file_number);
  void EndPass();
  // The live file with the smallest number from `number` on; its own is 0 if there is none.
  LiveFile FirstFrom(uint64_t number) const;
  static Outcome ReadTable(const TableDirectory& files, const Place& place);

  const Parts parts_;
  uint64_t rate_ = 0;
  bool stopped_ = false;
  bool reading_ = false;
  Env::TimerId timer_ = 0;
  uint64_t pass_began_us_ = 0;
  Place place_;
  ScrubStats stats_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace varve
