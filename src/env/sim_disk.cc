// env/sim_disk.cc: a simulated file system: names, and which of them would survive a power cut.
#include "env/sim_disk.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace varve {

namespace {

// Takes the first component off `path`; "" at its end.
Slice TakeComponent(Slice* path) {
  Slice component;
  do {
    const size_t start = path->find_first_not_of('/');
    if (start == Slice::npos) return {};
    path->remove_prefix(start);
    component = path->substr(0, path->find('/'));
    path->remove_prefix(component.size());
  } while (component == ".");
  return component;
}

SimDisk::NodePtr NewNode(bool is_directory) {
  return std::make_shared<SimDisk::Node>(SimDisk::Node{is_directory, {}, {}, {}, {}});
}

Status NotFound(Slice path, Slice what) {
  return {StatusCode::kNotFound, std::string(path).append(": ").append(what)};
}

}  // namespace

SimDisk::SimDisk() : root_(NewNode(true)) {}

SimDisk::Place SimDisk::Locate(Slice path) const {
  NodePtr directory = root_;
  Slice name = TakeComponent(&path);
  while (true) {
    const Slice next = TakeComponent(&path);
    if (next.empty()) return {std::move(directory), name};
    const auto found = directory->entries.find(name);
    if (found == directory->entries.end() || !found->second->is_directory) return {nullptr, name};
    directory = found->second;
    name = next;
  }
}

SimDisk::NodePtr SimDisk::Find(Slice path) const {
  const Place place = Locate(path);
  if (place.directory == nullptr) return nullptr;
  if (place.name.empty()) return root_;
  const auto found = place.directory->entries.find(place.name);
  return found == place.directory->entries.end() ? nullptr : found->second;
}

void SimDisk::Change(NameOperation operation) {
  for (const NameChange& change : operation) {
    if (change.node == nullptr) {
      change.directory->entries.erase(change.name);
    } else {
      change.directory->entries[change.name] = change.node;
    }
  }
  pending_.push_back(std::move(operation));
}

Result<SimDisk::NodePtr> SimDisk::Open(const std::string& path, OpenMode mode) {
  const Place place = Locate(path);
  NodePtr node = Find(path);
  if (mode != OpenMode::kCreate) {
    if (node == nullptr) return NotFound(path, "no such file");
    if (node->is_directory) return Status::FromErrno(EISDIR, path, "open");
    return node;
  }
  if (node != nullptr) return Status::FromErrno(EEXIST, path, "create");
  if (place.directory == nullptr) return Status::FromErrno(ENOENT, path, "create");
  node = NewNode(false);
  Change({{place.directory, std::string(place.name), node}});
  return node;
}

Status SimDisk::Rename(const std::string& from, const std::string& to) {
  const std::string what = "rename to " + to;
  const Place source = Locate(from);
  const Place target = Locate(to);
  const NodePtr node = Find(from);
  const NodePtr replaced = Find(to);
  if (node == nullptr || target.directory == nullptr) return Status::FromErrno(ENOENT, from, what);
  if (node == root_ || target.name.empty()) return Status::FromErrno(EBUSY, from, what);
  if (node == replaced) return Status::Ok();
  if (node->is_directory && (to + "/").starts_with(from + "/")) {
    return Status::FromErrno(EINVAL, from, what);
  }
  if (replaced != nullptr && replaced->is_directory != node->is_directory) {
    return Status::FromErrno(replaced->is_directory ? EISDIR : ENOTDIR, from, what);
  }
  if (replaced != nullptr && !replaced->entries.empty()) {
    return Status::FromErrno(ENOTEMPTY, from, what);
  }
  Change({{source.directory, std::string(source.name), nullptr},
          {target.directory, std::string(target.name), node}});
  return Status::Ok();
}

Status SimDisk::Link(const std::string& from, const std::string& to) {
  const std::string what = "link to " + to;
  const Place target = Locate(to);
  const NodePtr node = Find(from);
  if (node == nullptr || target.directory == nullptr) return Status::FromErrno(ENOENT, from, what);
  if (Find(to) != nullptr) return Status::FromErrno(EEXIST, from, what);
  if (node->is_directory) return Status::FromErrno(EISDIR, from, what);
  Change({{target.directory, std::string(target.name), node}});
  return Status::Ok();
}

Status SimDisk::Remove(const std::string& path) {
  const Place place = Locate(path);
  const NodePtr node = Find(path);
  if (node == nullptr) return NotFound(path, "no such file");
  if (node->is_directory) return Status::FromErrno(EISDIR, path, "remove");
  Change({{place.directory, std::string(place.name), nullptr}});
  return Status::Ok();
}

Status SimDisk::CreateDirectory(const std::string& path) {
  const Place place = Locate(path);
  if (place.directory == nullptr) return Status::FromErrno(ENOENT, path, "create directory");
  if (const NodePtr node = Find(path); node != nullptr) {
    return node->is_directory ? Status::Ok() : Status::FromErrno(EEXIST, path, "create directory");
  }
  Change({{place.directory, std::string(place.name), NewNode(true)}});
  return Status::Ok();
}

Status SimDisk::RemoveDirectory(const std::string& path) {
  constexpr Slice kWhat = "remove directory";
  const Place place = Locate(path);
  const NodePtr node = Find(path);
  if (node == nullptr) return Status::FromErrno(ENOENT, path, kWhat);
  if (!node->is_directory) return Status::FromErrno(ENOTDIR, path, kWhat);
  if (node == root_) return Status::FromErrno(EBUSY, path, kWhat);
  if (!node->entries.empty()) return Status::FromErrno(ENOTEMPTY, path, kWhat);
  Change({{place.directory, std::string(place.name), nullptr}});
  return Status::Ok();
}

Result<std::vector<std::string>> SimDisk::List(const std::string& path) const {
  const NodePtr node = Find(path);
  if (node == nullptr) return NotFound(path, "no such directory");
  if (!node->is_directory) return Status::FromErrno(ENOTDIR, path, "open directory");
  std::vector<std::string> names;
  names.reserve(node->entries.size());
  for (const auto& [name, entry] : node->entries) names.push_back(name);
  return names;
}

bool SimDisk::StandsOn(const NameOperation& later, const NameOperation& earlier) {
  const bool is_rename = earlier.size() > 1;
  return std::any_of(later.begin(), later.end(), [&](const NameChange& x) {
    return std::any_of(earlier.begin(), earlier.end(), [&](const NameChange& y) {
      return (x.directory == y.node && !is_rename) ||
             (x.directory == y.directory && x.name == y.name);
    });
  });
}

void SimDisk::MakeDurable(const std::vector<bool>& kept) {
  size_t left = 0;
  for (size_t i = 0; i < pending_.size(); ++i) {
    if (!kept[i]) {
      if (left != i) pending_[left] = std::move(pending_[i]);
      ++left;
      continue;
    }
    for (const NameChange& change : pending_[i]) {
      if (change.node == nullptr) {
        change.directory->durable_entries.erase(change.name);
      } else {
        change.directory->durable_entries[change.name] = change.node;
      }
    }
  }
  pending_.resize(left);
}

Status SimDisk::SyncDirectory(const std::string& path) {
  const NodePtr directory = Find(path);
  if (directory == nullptr) return Status::FromErrno(ENOENT, path, "open directory");
  if (!directory->is_directory) return Status::FromErrno(ENOTDIR, path, "open directory");

  // Backwards, so that what a wanted operation stands on is found wanted in turn. Only a rename
  // between two directories makes the inner loop find something.
  std::vector<bool> wanted(pending_.size());
  std::vector<size_t> between;
  for (size_t i = pending_.size(); i-- > 0;) {
    const NameOperation& operation = pending_[i];
    const auto here = [&](const NameChange& change) { return change.directory == directory; };
    wanted[i] = std::any_of(operation.begin(), operation.end(), here) ||
                std::any_of(between.begin(), between.end(),
                            [&](size_t later) { return StandsOn(pending_[later], operation); });
    const bool crosses = operation.front().directory != operation.back().directory;
    if (wanted[i] && (crosses || !here(operation.front()))) between.push_back(i);
  }
  MakeDurable(wanted);
  return Status::Ok();
}

std::vector<bool> SimDisk::ChooseKept(CrashMode mode, Random& random) const {
  std::vector<bool> kept(pending_.size(), false);
  if (mode == CrashMode::kTorn) {
    std::fill_n(kept.begin(), random.Uniform(kept.size() + 1), true);
  } else if (mode == CrashMode::kRandomPages) {
    std::vector<size_t> dropped;
    for (size_t i = 0; i < kept.size(); ++i) {
      kept[i] =
          random.OneIn(2) && std::none_of(dropped.begin(), dropped.end(), [&](size_t earlier) {
            return StandsOn(pending_[i], pending_[earlier]);
          });
      if (!kept[i]) dropped.push_back(i);
    }
  }
  return kept;
}

void SimDisk::Crash(CrashMode mode, Random& random) {
  DropLocks(*root_);
  if (mode == CrashMode::kKeepAll) return;
  MakeDurable(ChooseKept(mode, random));
  pending_.clear();
  CrashTree(*root_, mode, random);
}

void SimDisk::CrashTree(Node& directory, CrashMode mode, Random& random) {
  directory.entries = directory.durable_entries;
  for (const auto& [name, node] : directory.entries) {
    if (node->is_directory) {
      CrashTree(*node, mode, random);
    } else {
      node->file.Crash(mode, random);
    }
  }
}

void SimDisk::DropLocks(Node& directory) {
  for (const auto& [name, node] : directory.entries) {
    node->lock.reset();
    if (node->is_directory) DropLocks(*node);
  }
}

uint64_t SimDisk::used_bytes() const {
  std::set<const Node*> counted;
  return UsedBytes(*root_, &counted);
}

uint64_t SimDisk::UsedBytes(const Node& directory, std::set<const Node*>* counted) {
  uint64_t used = 0;
  for (const auto& [name, node] : directory.entries) {
    if (node->is_directory) {
      used += UsedBytes(*node, counted);
    } else if (counted->insert(node.get()).second) {
      used += node->file.size();
    }
  }
  return used;
}

}  // namespace varve
