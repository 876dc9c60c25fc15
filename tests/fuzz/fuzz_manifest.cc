// tests/fuzz/fuzz_manifest.cc: foreign bytes into the manifest's readers.
//
// The first byte says what the rest is taken for: a whole manifest, the line of CURRENT, or an edit as it is behind its
// checksum. An edit that is accepted is the same when it is written and read again, and changes a state or is refused.
#include <cstdint>
#include <string>

#include "base/check.h"
#include "engine/file_names.h"
#include "engine/version/manifest.h"
#include "engine/version/version_edit.h"
#include "env/sim_env.h"

namespace {

using namespace varve;

constexpr char kDirectory[] = "/db";
constexpr uint64_t kNumber = 4;

void UseEdit(Slice bytes) {
  const Result<VersionEdit> edit = VersionEdit::Decode(bytes);
  if (!edit.ok()) {
    CHECK(edit.status().code() == StatusCode::kCorruption);
    return;
  }
  std::string encoded, again;
  edit->EncodeTo(&encoded);
  const Result<VersionEdit> second = VersionEdit::Decode(encoded);
  CHECK(second.ok());
  second->EncodeTo(&again);
  CHECK(encoded == again);
  ManifestState state;
  if (state.Apply(*edit).ok()) CHECK(state.version->Check().ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const Slice bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  SimEnv env(1);
  CHECK(env.CreateDirectory(kDirectory).ok());
  switch (data[0] % 3) {
    case 0:
      env.SetContents(JoinPath(kDirectory, ManifestFileName(kNumber)), bytes);
      (void)ReadManifestFile(env, JoinPath(kDirectory, ManifestFileName(kNumber)), kNumber);
      break;
    case 1:
      env.SetContents(JoinPath(kDirectory, kCurrentFileName), bytes);
      CHECK(!ReadManifest(env, kDirectory).ok());
      break;
    case 2: UseEdit(bytes); break;
  }
  return 0;
}
