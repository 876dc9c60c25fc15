// tests/fuzz/driver.cc: runs a fuzz target where the compiler brings no fuzzer of its own.
//
//   fuzz_x FILE|DIRECTORY...           runs each input once
//   fuzz_x --seconds=S [--seed=N] ...  then also random mutations of them, for S seconds
//
// Before each run the input is written to ./fuzz-last-input when --keep is given, so that what
// crashed can be looked at. With clang, -fsanitize=fuzzer takes this file's place and finds far
// more.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/random.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr size_t kInputBytesMax = 64 * 1024;

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void AddInputs(const std::filesystem::path& path, std::vector<std::string>* inputs) {
  if (!std::filesystem::is_directory(path)) return inputs->push_back(ReadFile(path));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) inputs->push_back(ReadFile(entry.path()));
  }
}

void RunOne(const std::string& input, bool keep) {
  if (keep) std::ofstream("fuzz-last-input", std::ios::binary) << input;
  // A copy of exactly this size, so that a read beyond its end is seen by the address sanitizer.
  const std::vector<uint8_t> bytes(input.begin(), input.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

void Mutate(varve::Random& random, const std::vector<std::string>& inputs, std::string* input) {
  const auto position = [&] { return random.Uniform(input->size() + 1); };
  const std::string& other = inputs[random.Uniform(inputs.size())];
  switch (random.Uniform(6)) {
    case 0: input->insert(position(), 1, static_cast<char>(random.Next())); break;
    case 1: input->erase(position(), 1 + random.Uniform(4)); break;
    case 2:
      if (!input->empty())
        (*input)[random.Uniform(input->size())] = static_cast<char>(random.Next());
      break;
    case 3: {
      const size_t from = random.Uniform(other.size() + 1);
      input->insert(position(), other.substr(from, random.Uniform(other.size() - from + 1)));
      break;
    }
    case 4: {
      const size_t from = position();
      const std::string part = input->substr(from, random.Uniform(64));
      for (uint64_t n = random.Uniform(200); n > 0; --n) input->insert(from, part);
      break;
    }
    default: input->insert(position(), std::to_string(random.Next() >> random.Uniform(64))); break;
  }
  if (input->size() > kInputBytesMax) input->resize(kInputBytesMax);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> inputs;
  long seconds = 0;
  unsigned long long seed = 1;
  bool keep = false;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.starts_with("--seconds=")) {
      seconds = std::strtol(argument.c_str() + std::strlen("--seconds="), nullptr, 10);
    } else if (argument.starts_with("--seed=")) {
      seed = std::strtoull(argument.c_str() + std::strlen("--seed="), nullptr, 10);
    } else if (argument == "--keep") {
      keep = true;
    } else {
      AddInputs(argument, &inputs);
    }
  }
  for (const std::string& input : inputs) RunOne(input, keep);
  std::printf("%zu inputs\n", inputs.size());
  if (seconds == 0) return 0;

  if (inputs.empty()) inputs.emplace_back();
  std::printf("mutating for %ld s, seed %llu\n", seconds, seed);
  varve::Random random(seed);
  unsigned long long runs = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  for (; std::chrono::steady_clock::now() < end; ++runs) {
    std::string input = inputs[random.Uniform(inputs.size())];
    for (uint64_t n = 1 + random.Uniform(6); n > 0; --n) Mutate(random, inputs, &input);
    RunOne(input, keep);
  }
  std::printf("%llu runs\n", runs);
  return 0;
}
