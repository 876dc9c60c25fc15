// engine/file_names.cc: file names, made and read.
#include "engine/file_names.h"

#include "base/check.h"
#include "base/numbers.h"

namespace varve {

namespace {

constexpr Slice kTableSuffix = ".table";
constexpr Slice kLogSuffix = ".log";
constexpr Slice kValuesSuffix = ".values";
constexpr Slice kManifestPrefix = "MANIFEST-";
constexpr Slice kCopySuffix = ".copy";
constexpr Slice kTemporarySuffix = ".tmp";

// Padded, so that a listing shows small databases in order. Nothing depends on that.
constexpr size_t kNumberCharsMin = 6;

std::string FormatNumber(uint64_t number) {
  CHECK(number > 0);
  std::string digits = std::to_string(number);
  if (digits.size() < kNumberCharsMin) digits.insert(0, kNumberCharsMin - digits.size(), '0');
  return digits;
}

// What FormatNumber made, and nothing else: "12" and "0000012" are other people's files.
std::optional<FileName> ParseNumber(FileKind kind, Slice digits) {
  Slice significant = digits;
  while (significant.starts_with('0')) significant.remove_prefix(1);
  const std::optional<uint64_t> number = ParseUint64(significant);
  if (!number || *number == 0 || FormatNumber(*number) != digits) return std::nullopt;
  return FileName{kind, *number};
}

}  // namespace

std::string TableFileName(uint64_t number) { return FormatNumber(number).append(kTableSuffix); }

std::string LogFileName(uint64_t number) { return FormatNumber(number).append(kLogSuffix); }

std::string ValueFileName(uint64_t number) { return FormatNumber(number).append(kValuesSuffix); }

std::string ManifestFileName(uint64_t number) {
  return std::string(kManifestPrefix) + FormatNumber(number);
}

std::string ManifestCopyFileName(uint64_t number) {
  return ManifestFileName(number).append(kCopySuffix);
}

std::optional<FileName> ParseFileName(Slice name) {
  if (name == kCurrentFileName) return FileName{FileKind::kCurrent, 0};
  if (name == kLockFileName) return FileName{FileKind::kLock, 0};
  if (name == kReserveFileName) return FileName{FileKind::kReserve, 0};
  if (name.ends_with(kTemporarySuffix)) return FileName{FileKind::kTemporary, 0};
  if (name.starts_with(kManifestPrefix)) {
    const Slice rest = name.substr(kManifestPrefix.size());
    if (!rest.ends_with(kCopySuffix)) return ParseNumber(FileKind::kManifest, rest);
    return ParseNumber(FileKind::kManifestCopy, rest.substr(0, rest.size() - kCopySuffix.size()));
  }
  if (name.ends_with(kTableSuffix)) {
    return ParseNumber(FileKind::kTable, name.substr(0, name.size() - kTableSuffix.size()));
  }
  if (name.ends_with(kLogSuffix)) {
    return ParseNumber(FileKind::kLog, name.substr(0, name.size() - kLogSuffix.size()));
  }
  if (name.ends_with(kValuesSuffix)) {
    return ParseNumber(FileKind::kValues, name.substr(0, name.size() - kValuesSuffix.size()));
  }
  return std::nullopt;
}

std::string JoinPath(const std::string& directory, Slice name) {
  return std::string(directory).append("/").append(name);
}

std::string ParentDirectory(const std::string& path) {
  const size_t last = path.find_last_not_of('/');
  const size_t slash = last == std::string::npos ? 0 : path.find_last_of('/', last);
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Slice BaseName(Slice path) {
  path = path.substr(0, path.find_last_not_of('/') + 1);
  return path.substr(path.find_last_of('/') + 1);
}

}  // namespace varve
