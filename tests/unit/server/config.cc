// tests/unit/server/config.cc: options from file, environment and flags; CONFIG GET, SET, REWRITE.
#include "server/config.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "server/config_table.h"

#include <doctest/doctest.h>

namespace varve {

namespace {

// A configuration file that goes when the test does.
class ConfigFile {
 public:
  explicit ConfigFile(Slice text) {
    char path[] = "/tmp/varve-config-XXXXXX";
    const int descriptor = mkstemp(path);
    if (descriptor >= 0) close(descriptor);
    path_ = path;
    std::ofstream(path_) << text;
  }
  ~ConfigFile() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Result<Config> Load(const std::vector<std::string>& arguments,
                    const std::map<std::string, std::string>& environment = {}) {
  return LoadConfig(arguments, [&environment](const char* name) -> const char* {
    const auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  });
}

std::string ErrorOf(const Result<Config>& config) {
  return config.ok() ? "" : std::string(config.status().message());
}

using Pairs = std::vector<std::pair<Slice, Slice>>;

}  // namespace

TEST_CASE("config: every default is within its own bounds") {
  const Config config = DefaultConfig();
  CHECK(config.port == 6379);
  CHECK(config.bind == std::vector<std::string>{"127.0.0.1", "-::1"});
  CHECK(config.proto_max_bulk_bytes == 512 << 20);
  CHECK(config.client_output_limits.normal.hard_bytes == 1 << 30);
  for (const ConfigRow& row : ConfigRows()) {
    CAPTURE(std::string(row.name));
    CHECK(FindConfigRow(row.name) == &row);
  }
}

TEST_CASE("config: flags override the environment, which overrides the file") {
  const ConfigFile file("port 1\ntimeout 1\nmaxclients 1\n");
  const Result<Config> config =
      Load({file.path(), "--port", "3"}, {{"VARVE_PORT", "2"}, {"VARVE_TIMEOUT", "2"}});
  REQUIRE(config.ok());
  CHECK(config->port == 3);
  CHECK(config->timeout_seconds == 2);
  CHECK(config->maxclients == 1);
  CHECK(config->file == file.path());
}

TEST_CASE("config: a file is read as Redis reads one") {
  const ConfigFile file(
      "# a comment\n"
      "\n"
      "   PORT   7000\r\n"
      "requirepass \"a \\\"b\\\" \\x41\\n\"\n"
      "pidfile '/run/it''s'\n"
      "bind * -::*\n"
      "unixsocketperm 770\n"
      "client-query-buffer-limit 2mb\n"
      "client-output-buffer-limit normal 10mb 1mb 5\n"
      "client-output-buffer-limit replica 1 2 3\n"
      "save \"\"\n"
      "appendonly yes");
  const Result<Config> config = Load({file.path()});
  // A quote ends a word; '' is not one.
  CHECK(ErrorOf(config) == file.path() + ":5: unbalanced quotes");

  const ConfigFile better(
      " \t\f\r\v \r\n"
      "   PORT   7000\r\n"
      "requirepass \"a \\\"b\\\" \\x41\\n\"\n"
      "pidfile '/run/it\\'s'\n"
      "bind * -::*\n"
      "unixsocketperm 770\n"
      "client-query-buffer-limit 2mb\n"
      "client-output-buffer-limit normal 10mb 1mb 5\n"
      "client-output-buffer-limit replica 1 2 3\n"
      "save \"\"\n"
      "latency-tracking-info-percentiles 50 99 99.9\n"
      "appendonly yes");
  const Result<Config> read = Load({better.path()});
  REQUIRE(read.ok());
  CHECK(read->port == 7000);
  CHECK(read->requirepass == "a \"b\" A\n");
  CHECK(read->pidfile == "/run/it's");
  CHECK(read->bind == std::vector<std::string>{"*", "-::*"});
  CHECK(read->unixsocketperm == 0770);
  CHECK(read->client_query_buffer_bytes == 2 << 20);
  CHECK(read->client_output_limits.normal.soft_seconds == 5);
  CHECK(read->client_output_limits.replica.hard_bytes == 1);
}

TEST_CASE("config: what is wrong in a file is told with its place") {
  struct Case {
    const char* text;
    const char* want;
  };
  static constexpr Case kCases[] = {
      {"\nprot 1\n", ":2: unknown option 'prot'"},
      {"port abc", ":1: port: argument couldn't be parsed into an integer"},
      {"port 65536", ":1: port: argument must be between 0 and 65535 inclusive"},
      {"port 1 2", ":1: port: wrong number of arguments"},
      {"port", ":1: port: wrong number of arguments"},
      {"protected-mode maybe", ":1: protected-mode: argument must be 'yes' or 'no'"},
      {"unixsocketperm 888", ":1: unixsocketperm: argument couldn't be parsed as an octal number"},
      {"memory-limit lots", ":1: memory-limit: argument must be a memory value"},
      {"appendfsync never",
       ":1: appendfsync: argument(s) must be one of the following: everysec, always, no"},
      {"logfile \"x", ":1: unbalanced quotes"},
      {"logfile \"x\"y", ":1: unbalanced quotes"},
      {"save 900 1", ":1: save: in Varve this is always ''"},
      {"save", ":1: save: wrong number of arguments"},
      {"latency-tracking-info-percentiles 50 99",
       ":1: latency-tracking-info-percentiles: in Varve this is always '50 99 99.9'"},
      {"appendonly no", ":1: appendonly: in Varve this is always 'yes'"},
  };
  for (const Case& c : kCases) {
    CAPTURE(c.text);
    const ConfigFile file(c.text);
    CHECK(ErrorOf(Load({file.path()})) == file.path() + c.want);
  }
  CHECK(ErrorOf(Load({"/nowhere/varve.conf"})) ==
        "/nowhere/varve.conf: open: No such file or directory");
}

TEST_CASE("config: flags take one value or several, and say what is wrong with them") {
  const Result<Config> config =
      Load({"--bind", "127.0.0.1", "::1", "--port=7000", "--requirepass=--secret", "--save", ""});
  REQUIRE(config.ok());
  CHECK(config->bind == std::vector<std::string>{"127.0.0.1", "::1"});
  CHECK(config->port == 7000);
  CHECK(config->requirepass == "--secret");

  const Result<Config> quoted = Load({"--bind", "127.0.0.1 -::1"});
  REQUIRE(quoted.ok());
  CHECK(quoted->bind.size() == 2);

  CHECK(ErrorOf(Load({"--prot", "1"})) == "--prot: unknown option");
  CHECK(ErrorOf(Load({"--port", "x"})) == "--port: argument couldn't be parsed into an integer");
  CHECK(ErrorOf(Load({"--port", "1", "2"})) == "--port: wrong number of arguments");
  CHECK(ErrorOf(Load({}, {{"VARVE_PORT", "x"}})) ==
        "VARVE_PORT: argument couldn't be parsed into an integer");
  // Other programs of the project have variables of their own.
  CHECK(Load({}, {{"VARVE_SERVER", "x"}}).ok());
}

TEST_CASE("config: CONFIG GET matches patterns without regard to case") {
  const Config config = DefaultConfig();
  const std::vector<Slice> patterns = {"TIME*", "appendonly"};
  const auto found = GetConfig(config, patterns);
  REQUIRE(found.size() == 2);
  CHECK(found[0] == std::pair<std::string, std::string>("timeout", "0"));
  CHECK(found[1] == std::pair<std::string, std::string>("appendonly", "yes"));
}

TEST_CASE("config: CONFIG SET changes all or nothing, and words its errors as Redis does") {
  struct Case {
    Pairs values;
    const char* want;
  };
  const std::string failed = "ERR CONFIG SET failed (possibly related to argument ";
  const Case cases[] = {
      {{{"timeout", "5"}, {"foo", "1"}},
       "ERR Unknown option or number of arguments for CONFIG SET - 'foo'"},
      {{{"timeout", "5"}, {"maxclients", "abc"}},
       "ERR CONFIG SET failed (possibly related to argument 'maxclients') - argument couldn't be "
       "parsed into an integer"},
      {{{"databases", "3"}},
       "ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable "
       "config"},
      {{{"timeout", "1"}, {"TIMEOUT", "2"}},
       "ERR CONFIG SET failed (possibly related to argument 'timeout') - duplicate parameter"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.want);
    Config config = DefaultConfig();
    const Status status = SetConfig(c.values, &config);
    CHECK(status.message() == c.want);
    CHECK(config.timeout_seconds == 0);
  }

  Config config = DefaultConfig();
  const Pairs values = {{"timeout", "5"},
                        {"client-output-buffer-limit", "pubsub 1mb 2mb 3"},
                        {"requirepass", "two words"}};
  CHECK(SetConfig(values, &config).ok());
  CHECK(config.timeout_seconds == 5);
  CHECK(config.client_output_limits.pubsub.hard_bytes == 1 << 20);
  CHECK(config.client_output_limits.normal.hard_bytes == 1 << 30);
  CHECK(config.requirepass == "two words");
}

TEST_CASE("config: CONFIG REWRITE keeps comments, order and what holds") {
  const Slice text =
      "# keep me\n"
      "maxclients 100\n"
      "\n"
      "  timeout 1\n"
      "timeout 2 \n"
      "memory-limit 1gb\n";
  Config config = DefaultConfig();
  config.maxclients = 100;
  config.timeout_seconds = 30;
  config.memory_limit_bytes = 1 << 30;
  config.requirepass = "a b\"";
  const Result<std::string> rewritten = RewriteConfig(text, config);
  REQUIRE(rewritten.ok());
  CHECK(*rewritten ==
        "# keep me\n"
        "maxclients 100\n"
        "\n"
        "timeout 30\n"
        "memory-limit 1gb\n"
        "\n"
        "# Added by CONFIG REWRITE\n"
        "requirepass \"a b\\\"\"\n");

  // What was written says what holds; rewriting it changes nothing.
  const ConfigFile file(*rewritten);
  const Result<Config> read = Load({file.path()});
  REQUIRE(read.ok());
  CHECK(read->requirepass == "a b\"");
  CHECK(read->timeout_seconds == 30);
  const Result<std::string> again = RewriteConfig(*rewritten, *read);
  REQUIRE(again.ok());
  CHECK(*again == *rewritten);
}

TEST_CASE("config: the manual in conf/ stands at the defaults and misses no option") {
  std::ifstream in("conf/varve.conf");
  if (!in) return;  // not run from the top
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const Result<Config> config = Load({"conf/varve.conf"});
  CHECK(ErrorOf(config) == "");
  REQUIRE(config.ok());
  const Config defaults = DefaultConfig();
  for (const ConfigRow& row : ConfigRows()) {
    CAPTURE(std::string(row.name));
    CHECK(ConfigValueText(row, *config) == ConfigValueText(row, defaults));
    CHECK(text.find("\n" + std::string(row.type == ConfigType::kFixed ? "#   " : "") +
                    std::string(row.name) + " ") != std::string::npos);
  }
}

TEST_CASE("config: words come back as they were when quoted") {
  for (const Slice word : {Slice("plain"), Slice(""), Slice("two words"), Slice("q\"'\\"),
                           Slice("\n\t\x01\xff"), Slice("#not a comment")}) {
    const std::string quoted = QuoteWord(word);
    CAPTURE(quoted);
    const Result<std::vector<std::string>> words = SplitWords("x " + quoted);
    REQUIRE(words.ok());
    REQUIRE(words->size() == 2);
    CHECK((*words)[1] == word);
  }
}

}  // namespace varve
