// engine/log/log_writer.h: the tail of the log.
//
// All commits of one turn of the loop form a group, and a group is one record of the log. One group is
// being written at any time; the next one gathers meanwhile:
//
//     Append          CloseGroup                  log thread          back on the loop
//   gathering ------> closed, waiting its turn --> written ----------> reported (not kAlways)
//                                                     | synced -------> reported (kAlways)
//
// Under kEverySecond the segments written to are synced once a second, beside the writing.
//
// Segments. A record goes into the current segment or, when that is full or a generation begins, into
// the next: a spare if one has been prepared (preallocated, header written, directory synced), so that
// the change costs nothing. Segments that hold nothing live any more become spares, but while SetQuiet() is on.
//
// What is reported never runs ahead of the durability in force: under kAlways that is what is synced,
// also if a group was written before the durability became kAlways.
//
// No room. A write for which there is no room leaves nothing in doubt: what it wrote lies behind all that
// counts. So it is tried again, at the same place, until there is room; later groups wait behind it.
// While SetFrugal() is on, what is kept for reuse is given up and nothing is prepared ahead.
//
// Failure. After a failed write or sync nothing more is written to any segment: the log is failed()
// and says so through on_failed. The engine then moves all that is dirty into tables, after which
// Resume() lets everything be reported and the next segment is a fresh one. What a failed segment
// holds is never again counted on, and its file not used again. Jobs that were under way when the
// log failed end without a word: they belong to a former life.
//
// Threads    Loop. Jobs on Lane::kLog and Lane::kSync work on segments they share.
// See also: log_format.h (bytes), log_reader.h (the way back).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/batch.h"
#include "engine/engine_stats.h"
#include "engine/options.h"
#include "env/env.h"

namespace varve {

class LogWriter {
 public:
  struct Callbacks {
    std::function<uint64_t()> new_file_number;
    std::function<void()> on_reported;
    std::function<void(LogWork work, uint64_t took_us)> on_work;  // see Engine::OnLogWork
    std::function<void(Status)> on_failed;
    std::function<void(Status)> on_no_space;  // something could not be written for want of room
  };

  // `last_group` is the newest group that exists; it is durable. The first segment is made on demand.
  LogWriter(const Options& options, Env& env, uint64_t database_id, uint64_t last_group,
            Callbacks callbacks);
  // Waits for nothing: the Env has run all jobs by then.
  ~LogWriter();

  // Adds a commit to the current group and returns the group. When failed() it only counts the
  // commit: whoever makes one then (deletes, on a full disk) moves it into tables.
  uint64_t Append(const Batch& batch);
  // Ends the current group, if it holds anything, and has it written.
  void EndTurn();
  // What is appended from now on goes to a new segment. Returns its number.
  uint64_t StartSegment();
  // Whether a segment's file is there and will be after a power cut: then the manifest may name it.
  bool IsReady(uint64_t segment) const;
  // Segments before this one hold nothing live.
  void RetireBefore(uint64_t segment);
  // Segments found at start that the new ones do not continue; to be retired in their turn.
  void AdoptOldSegments(std::vector<uint64_t> numbers);

  void Sync(std::function<void(Status)> done);
  void SetDurability(Durability durability);

  uint64_t current_group() const { return current_group_; }
  uint64_t reported_group() const { return reported_group_; }
  uint64_t synced_group() const { return synced_group_; }
  // Bytes appended and not yet in the kernel.
  uint64_t pending_bytes() const { return pending_bytes_; }
  // The oldest unwritten group found no room and is going to be tried again.
  bool waits_for_room() const { return waits_for_room_; }
  void SetFrugal(bool frugal);
  // Little is being written: but for a spare that is ready nothing is kept for reuse.
  void SetQuiet(bool quiet);
  bool failed() const { return !failure_.ok(); }
  const Status& failure() const { return failure_; }
  // Ends a group of commits that Append only counted, and returns the newest group. REQUIRES: failed().
  uint64_t EndUnlogged();
  // Everything committed is durable by other means. To be followed by StartSegment, and then Report.
  void Resume();
  // Moves reported_group() on as far as the durability allows.
  void Report();

  // Marks the end as meant. REQUIRES: everything is synced, and nothing is appended afterwards.
  void Seal(std::function<void(Status)> done);
  // Stops the once-a-second sync and the making of spares.
  void Stop();
  void AddStats(EngineStats* stats) const;

 private:
  struct Segment;  // a file and how far it is used

  // All commits of a turn, and where they go.
  struct Group {
    uint64_t number = 0;
    std::string bytes;
    std::vector<Splice> splices;
    size_t spliced_bytes = 0;
    std::shared_ptr<Segment> segment;  // this and the offset: once closed
    uint64_t offset = 0;
    uint64_t life = 0;  // in which it was to be written
    bool seal = false;  // no commits: the log was closed in good order behind group `number`
    size_t payload_bytes() const { return bytes.size() + spliced_bytes; }
  };

  void CloseGroup();
  void WriteNext();
  void Write(const std::shared_ptr<Group>& group);
  void WriteMore();
  void Wrote(Group& group, bool synced, const Status& status);
  std::shared_ptr<Segment> TakeSegment();
  void PrepareSpare();
  void ReleaseRetired();
  void DropSpares();
  void RemoveFile(uint64_t segment);
  void StartSync();
  void CountSync(uint64_t took_us);
  void Synced(uint64_t group, const Status& status);
  void SyncOnAndReport();
  void ServeSyncWaiters();
  void ArmSyncTimer();
  void Fail(const Status& status);

  const Options options_;
  Env& env_;
  const uint64_t database_id_;
  const Callbacks callbacks_;
  Durability durability_;

  Group gathering_;
  std::string spare_bytes_;  // empty: memory of a group that has been written, for one to come
  std::deque<Group> closed_;
  bool writing_ = false;
  bool waits_for_room_ = false;
  bool frugal_ = false;
  bool quiet_ = false;
  uint64_t current_group_;
  uint64_t written_group_;
  uint64_t synced_group_;
  uint64_t reported_group_;
  uint64_t pending_bytes_ = 0;
  Status failure_;
  uint64_t life_ = 0;  // counts failures
  bool has_unlogged_ = false;

  std::shared_ptr<Segment> segment_;             // closed groups go here
  std::deque<std::shared_ptr<Segment>> spares_;  // ready to use, lowest number first
  std::vector<std::shared_ptr<Segment>> used_;   // may hold something live, ascending
  std::vector<uint64_t> old_segments_;           // the same, from before the start
  std::vector<uint64_t> recyclable_;             // hold nothing live, still on disk
  uint64_t live_from_ = 0;                       // segments before it hold nothing live
  bool preparing_spare_ = false;
  bool syncing_ = false;
  bool stopped_ = false;
  // Each waits until a group is durable.
  std::vector<std::pair<uint64_t, std::function<void(Status)>>> sync_waiters_;
  Env::TimerId sync_timer_ = 0;

  uint64_t bytes_written_ = 0;
  uint64_t groups_written_ = 0;
  uint64_t syncs_ = 0;
  uint64_t sync_us_ = 0;
  // Jobs hold it weakly: what finishes after our end is nobody's business.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace varve
