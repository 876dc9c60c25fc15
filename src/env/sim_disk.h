// env/sim_disk.h: a simulated file system: names, and which of them would survive a power cut.
//
// Each directory has two sets of entries: the current ones, and those that are on the disk. Create,
// link, rename and remove change the first and join a list; SyncDirectory carries them over to the
// second. Syncing a file does nothing for its name, as POSIX has it.
//
// A power cut keeps none, a first part, or any legal subset of the listed operations. Legal is
// what leaves every name a history it could have had: of the operations on one name, the first
// few, and none in a directory whose creation was not kept. A rename changes both its names or
// neither; what happened afterwards in a directory that was renamed may be kept without it. Likewise
// SyncDirectory takes along what a rename from or to another directory stands on.
//
// Paths: "a/b", "/a/b" and "./a/b" are the same; "", "/" and "." are the root, which is always
// there and has no "..".
//
// Threads: one. Errors are those of a healthy disk; SimEnv makes it a sick one.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "env/env.h"
#include "env/sim_file.h"

namespace varve {

class SimDisk {
 public:
  // A file or a directory, apart from its name.
  struct Node;
  using NodePtr = std::shared_ptr<Node>;
  using Entries = std::map<std::string, NodePtr, std::less<>>;
  struct Node {
    const bool is_directory;
    SimFile file;              // of a file
    std::weak_ptr<void> lock;  // of a lock file: alive while someone holds it
    Entries entries;           // of a directory: what programs see
    Entries durable_entries;   // and what is on the disk
  };

  SimDisk();

  Result<NodePtr> Open(const std::string& path, OpenMode mode);
  Status Rename(const std::string& from, const std::string& to);
  Status Link(const std::string& from, const std::string& to);
  Status Remove(const std::string& path);
  Status CreateDirectory(const std::string& path);
  Status RemoveDirectory(const std::string& path);
  Status SyncDirectory(const std::string& path);
  Result<std::vector<std::string>> List(const std::string& path) const;

  // Leaves what a power cut leaves, and no locks.
  void Crash(CrashMode mode, Random& random);

  // Null if there is none.
  NodePtr Find(Slice path) const;
  // The sizes of all files that have a name; of one that has several, once.
  uint64_t used_bytes() const;

 private:
  // One entry set to a node, or taken out.
  struct NameChange {
    NodePtr directory;
    std::string name;
    NodePtr node;  // null: taken out
  };
  // What reaches the disk whole or not at all: two changes for a rename, else one.
  using NameOperation = std::vector<NameChange>;

  // Where a path leads: the directory is null if there is none.
  struct Place {
    NodePtr directory;
    Slice name;  // of the path given
  };

  Place Locate(Slice path) const;
  void Change(NameOperation operation);
  // Carries out `kept` of the pending operations, by index, on the durable entries.
  void MakeDurable(const std::vector<bool>& kept);
  std::vector<bool> ChooseKept(CrashMode mode, Random& random) const;
  // Whether `later` could not have happened without `earlier`.
  static bool StandsOn(const NameOperation& later, const NameOperation& earlier);
  static uint64_t UsedBytes(const Node& directory, std::set<const Node*>* counted);
  static void CrashTree(Node& directory, CrashMode mode, Random& random);
  static void DropLocks(Node& directory);

  NodePtr root_;
  std::vector<NameOperation> pending_;  // in order
};

}  // namespace varve
