// tests/support/live_server.cc: starting a server, and ending it in two ways.
#include "tests/support/live_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "base/check.h"
#include "base/slice.h"

namespace varve {

namespace {

using Clock = std::chrono::steady_clock;

// Sanitizers are slow, and so is reading a long log again.
constexpr std::chrono::seconds kStartTimeout{60};
constexpr std::chrono::seconds kStopTimeout{60};
constexpr std::chrono::milliseconds kPollEvery{2};

constexpr size_t kLogTailBytes = 4000;

// Ports below those from which the kernel picks clients' ports, so that no client takes one between
// our looking and the server's listening.
constexpr int kPortMin = 20000;
constexpr int kPortMax = 32000;

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

int FreePort() {
  std::random_device chance;
  std::uniform_int_distribution<int> ports(kPortMin, kPortMax);
  while (true) {
    const int port = ports(chance);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    const sockaddr_in address = Loopback(port);
    const bool is_free =
        bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    close(fd);
    if (is_free) return port;
  }
}

// Does somebody at `port` answer PING, if only by asking for a password?
bool AnswersPing(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(fd >= 0);
  const sockaddr_in address = Loopback(port);
  constexpr Slice kPing = "PING\r\n";
  char reply[8] = {};
  const bool answered =
      connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
      send(fd, kPing.data(), kPing.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(kPing.size()) &&
      recv(fd, reply, sizeof(reply) - 1, 0) > 0 &&
      (Slice(reply).starts_with("+PONG") || Slice(reply).starts_with("-NOAUTH"));
  close(fd);
  return answered;
}

}  // namespace

LiveServer::LiveServer() {
  const char* program = std::getenv("VARVE_SERVER");
  program_ = program != nullptr ? program : "build/varve-server";
  directory_ = std::filesystem::temp_directory_path() / "varve-test-XXXXXX";
  CHECK(mkdtemp(directory_.data()) != nullptr);
}

LiveServer::~LiveServer() {
  Kill();
  std::error_code ignored;
  if (!keep_directory_) std::filesystem::remove_all(directory_, ignored);
}

bool LiveServer::Start(const std::vector<std::string>& flags) {
  Launch(flags);
  return WaitUntilReady();
}

void LiveServer::Launch(const std::vector<std::string>& flags) {
  CHECK(pid_ == 0);
  port_ = FreePort();
  std::vector<std::string> words = {program_};
  if (std::filesystem::exists(config_path())) words.push_back(config_path());
  words.insert(words.end(), {"--port", std::to_string(port_), "--bind", "127.0.0.1",  //
                             "--dir", data_directory()});
  words.insert(words.end(), flags.begin(), flags.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  const std::string log_path = directory_ + "/server.log";
  const int log = open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  CHECK(log >= 0);
  const pid_t parent = getpid();
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);  // It died before we could say so.
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  close(log);
  pid_ = child;
}

bool LiveServer::WaitUntilReady() {
  const Clock::time_point deadline = Clock::now() + kStartTimeout;
  while (!AnswersPing(port_)) {
    if (HasEnded()) return false;
    if (Clock::now() > deadline) return false;
    std::this_thread::sleep_for(kPollEvery);
  }
  return true;
}

void LiveServer::Kill() {
  if (pid_ == 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

int LiveServer::Stop() {
  Terminate();
  return WaitForEnd();
}

void LiveServer::Terminate() {
  if (pid_ != 0) kill(pid_, SIGTERM);
}

int LiveServer::WaitForEnd() {
  const Clock::time_point deadline = Clock::now() + kStopTimeout;
  while (!HasEnded()) {
    if (Clock::now() > deadline) {
      Kill();
      return -1;
    }
    std::this_thread::sleep_for(kPollEvery);
  }
  return exit_code_;
}

bool LiveServer::HasEnded() {
  if (pid_ == 0) return true;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) == 0) return false;
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  pid_ = 0;
  return true;
}

std::string LiveServer::LogTail() const {
  std::ifstream file(directory_ + "/server.log", std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (text.size() > kLogTailBytes) text.erase(0, text.size() - kLogTailBytes);
  return text;
}

}  // namespace varve
