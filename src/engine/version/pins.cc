// engine/version/pins.cc: what is held, for whom, and until when.
#include "engine/version/pins.h"

#include <algorithm>
#include <utility>

namespace varve {

namespace {

std::vector<uint64_t> FilesOf(const Version& version) {
  std::vector<uint64_t> numbers;
  numbers.reserve(version.table_count() + version.value_files().size());
  for (int level = 0; level < kLevels; ++level) {
    for (const FileRef& table : version.level(level)) numbers.push_back(table->number);
  }
  for (const LiveValueFile& file : version.value_files()) numbers.push_back(file.meta.number);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

}  // namespace

bool Pins::Pin::Has(uint64_t number) const {
  return std::binary_search(files.begin(), files.end(), number);
}

std::shared_ptr<const PinnedState> Pins::Add(PinnedState state) {
  auto shared = std::make_shared<const PinnedState>(std::move(state));
  pins_.push_back({shared, shared->since_us, FilesOf(*shared->manifest.version), {}});
  return shared;
}

bool Pins::Hold(uint64_t number, uint64_t size_bytes, std::string path) {
  if (pins_.empty() || !pins_.back().Has(number)) return false;
  pins_.back().held.push_back({number, size_bytes, std::move(path)});
  return true;
}

std::vector<std::string> Pins::Collect() {
  std::vector<std::string> paths;
  // Newest first: what one lets go of, the one before may need, which may have expired as well.
  for (size_t i = pins_.size(); i-- > 0;) {
    if (!pins_[i].state.expired()) continue;
    for (HeldFile& file : pins_[i].held) {
      if (i > 0 && pins_[i - 1].Has(file.number)) {
        pins_[i - 1].held.push_back(std::move(file));
      } else {
        paths.push_back(std::move(file.path));
      }
    }
    pins_.erase(pins_.begin() + static_cast<ptrdiff_t>(i));
  }
  return paths;
}

size_t Pins::count() const {
  return static_cast<size_t>(std::count_if(pins_.begin(), pins_.end(),
                                           [](const Pin& pin) { return !pin.state.expired(); }));
}

uint64_t Pins::oldest_us() const {
  const auto oldest =
      std::find_if(pins_.begin(), pins_.end(), [](const Pin& pin) { return !pin.state.expired(); });
  return oldest == pins_.end() ? 0 : oldest->since_us;
}

uint64_t Pins::held_bytes() const {
  uint64_t bytes = 0;
  for (const Pin& pin : pins_) {
    for (const HeldFile& file : pin.held) bytes += file.size_bytes;
  }
  return bytes;
}

}  // namespace varve
