// server/info.cc: INFO, section by section.
#include "server/info.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>

#include "commands/args.h"
#include "commands/redis_version.h"
#include "commands/table.h"
#include "data/key_format.h"
#include "server/version.h"

namespace varve {

namespace {

// Appends lines "name:value\r\n".
class Lines {
 public:
  explicit Lines(std::string* to) : to_(*to) {}

  void Text(Slice name, Slice value) { to_.append(name).append(":").append(value).append("\r\n"); }
  template <typename Number>
  void Count(Slice name, Number value) {
    Text(name, std::to_string(value));
  }
  __attribute__((format(printf, 3, 4))) void Format(Slice name, const char* format, ...) {
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    Text(name, text);
  }
  // With a second line "name_human:1.50M".
  void Bytes(Slice name, uint64_t bytes) {
    Count(name, bytes);
    Text(std::string(name) + "_human", Human(bytes));
  }

 private:
  static std::string Human(uint64_t bytes) {
    constexpr Slice kUnits = "BKMGTP";
    double size = static_cast<double>(bytes);
    size_t unit = 0;
    while (size >= 1024 && unit + 1 < kUnits.size()) {
      size /= 1024;
      ++unit;
    }
    char text[32];
    std::snprintf(text, sizeof(text), unit == 0 ? "%.0f%c" : "%.2f%c", size, kUnits[unit]);
    return text;
  }

  std::string& to_;
};

double Ratio(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string Executable() {
  char path[4096];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof(path));
  return size > 0 ? std::string(path, static_cast<size_t>(size)) : "";
}

// --- Sections ----------------------------------------------------------------------------------

void Server(const InfoSource& source, Lines& out) {
  utsname system{};
  uname(&system);
  const int64_t uptime_seconds = (source.now_ms - source.started_ms) / 1000;
  out.Text("redis_version", kRedisVersion);
  out.Text("varve_version", kVersion);
  out.Text("redis_mode", "standalone");
  out.Format("os", "%s %s %s", system.sysname, system.release, system.machine);
  out.Count("arch_bits", 8 * sizeof(void*));
  out.Text("multiplexing_api", "epoll");
  out.Text("gcc_version", __VERSION__);
  out.Count("process_id", getpid());
  out.Text("process_supervised", source.supervised ? "systemd" : "no");
  out.Text("run_id", source.run_id);
  out.Count("tcp_port", source.config.port);
  out.Count("server_time_usec", source.now_ms * 1000);
  out.Count("uptime_in_seconds", uptime_seconds);
  out.Count("uptime_in_days", uptime_seconds / 86400);
  out.Count("hz", 10);
  out.Count("configured_hz", 10);
  out.Text("executable", Executable());
  out.Text("config_file", source.config.file);
  out.Count("io_threads_active", 0);
}

void ClientsSection(const InfoSource& source, Lines& out) {
  size_t waiting = 0;
  source.clients.ForEach(
      [&waiting](const Client& client) { waiting += client.state == ClientState::kWaits; });
  out.Count("connected_clients", source.clients.size());
  out.Count("cluster_connections", 0);
  out.Count("maxclients", source.config.maxclients);
  out.Count("client_recent_max_input_buffer", source.clients.largest_input_bytes());
  out.Count("client_recent_max_output_buffer", source.clients.largest_output_bytes());
  out.Count("blocked_clients", 0);
  out.Count("clients_waiting_for_data", waiting);
  out.Count("tracking_clients", 0);
  out.Count("clients_in_timeout_table", 0);
}

// All parts of RSS that are known, without one counted twice, and what is left: stacks, what is too small to be
// counted. tests/integration/memory.py holds it to a tenth. The allocator counts pages that nobody has touched as
// resident; it has at most what the kernel says is in memory and of no file.
void AccountForMemory(const InfoSource& source, const EngineStats& engine,
                      const ProcessMemory& process, Lines& out) {
  const uint64_t clients = source.clients.memory_bytes();
  const uint64_t anonymous = process.rss_bytes - std::min(process.rss_bytes, process.file_bytes);
  const uint64_t resident = std::min(process.resident_bytes, anonymous);
  const uint64_t allocator = resident - std::min(resident, process.allocated_bytes);
  const uint64_t accounted = engine.record_bytes + engine.slot_bytes + engine.list_bytes +
                             engine.block_cache_bytes + engine.index_and_filter_bytes +
                             engine.log_pending_bytes + engine.job_bytes + clients +
                             process.cached_bytes + allocator + process.file_bytes;
  out.Count("log_buffers_bytes", engine.log_pending_bytes);
  out.Count("jobs_bytes", engine.job_bytes);
  out.Count("clients_bytes", clients);
  out.Count("allocator_caches_bytes", process.cached_bytes);
  out.Count("allocator_overhead_bytes", allocator);
  out.Count("code_bytes", process.file_bytes);
  out.Count("memory_accounted", accounted);
  out.Count("memory_other", static_cast<int64_t>(process.rss_bytes - accounted));
}

void Memory(const InfoSource& source, Lines& out) {
  const EngineStats engine = source.engine.stats();
  const ProcessMemory process = MeasureMemory();
  const uint64_t used = process.allocated_bytes != 0 ? process.allocated_bytes : process.rss_bytes;
  const uint64_t peak = std::max(source.stats.memory_peak_bytes, used);
  const uint64_t data = engine.record_bytes + engine.block_cache_bytes;
  out.Bytes("used_memory", used);
  out.Bytes("used_memory_rss", process.rss_bytes);
  out.Bytes("used_memory_peak", peak);
  out.Format("used_memory_peak_perc", "%.2f%%", 100 * Ratio(used, peak));
  out.Count("used_memory_overhead", used > data ? used - data : 0);
  out.Count("used_memory_dataset", std::min(data, used));
  out.Format("used_memory_dataset_perc", "%.2f%%", 100 * Ratio(std::min(data, used), used));
  out.Count("allocator_allocated", process.allocated_bytes);
  out.Count("allocator_active", process.active_bytes);
  out.Count("allocator_resident", process.resident_bytes);
  out.Bytes("total_system_memory", MachineMemoryBytes());
  out.Bytes("maxmemory", 0);
  out.Text("maxmemory_policy", "noeviction");
  out.Format("mem_fragmentation_ratio", "%.2f", Ratio(process.rss_bytes, used));
  out.Count("mem_clients_normal", source.clients.memory_bytes());
  out.Text("mem_allocator", AllocatorName());
  out.Bytes("memory_limit", source.memory_limit_bytes);
  out.Count("records_bytes", engine.record_bytes);
  out.Count("dirty_records_bytes", engine.dirty_bytes);
  out.Count("record_slots_bytes", engine.slot_bytes);
  out.Count("record_lists_bytes", engine.list_bytes);
  out.Count("block_cache_bytes", engine.block_cache_bytes);
  out.Count("index_and_filter_bytes", engine.index_and_filter_bytes);
  AccountForMemory(source, engine, process, out);
}

void Persistence(const InfoSource& source, Lines& out) {
  const EngineStats engine = source.engine.stats();
  out.Count("loading", 0);
  out.Count("async_loading", 0);
  // A save is a checkpoint: see checkpoints.h.
  const Checkpoints& checkpoints = source.checkpoints;
  const int64_t saved_ms = checkpoints.last_wall_ms();
  const int64_t took_ms = checkpoints.last_took_ms();
  const int64_t since_ms = source.now_ms - checkpoints.started_wall_ms();
  out.Count("rdb_changes_since_last_save", engine.entries_written - checkpoints.entries_at_last());
  out.Count("rdb_bgsave_in_progress", checkpoints.running() ? 1 : 0);
  out.Count("rdb_last_save_time", (saved_ms != 0 ? saved_ms : source.started_ms) / 1000);
  out.Text("rdb_last_bgsave_status", checkpoints.last_failed() ? "err" : "ok");
  out.Count("rdb_last_bgsave_time_sec", took_ms < 0 ? -1 : took_ms / 1000);
  out.Count("rdb_current_bgsave_time_sec", checkpoints.running() ? since_ms / 1000 : -1);
  out.Count("rdb_saves", checkpoints.made());
  out.Count("aof_enabled", 1);
  out.Count("aof_rewrite_in_progress", engine.compactions_running > 0 ? 1 : 0);
  out.Text("aof_last_bgrewrite_status", "ok");
  out.Text("aof_last_write_status", engine.write_refusal.empty() ? "ok" : "err");
  out.Text("appendfsync", source.config.appendfsync);
  out.Text("log_state", engine.log_state);
  out.Count("log_state_since", engine.log_state_since_ms / 1000);
  out.Text("last_error", engine.last_error);
  out.Count("last_error_time", engine.last_error_ms / 1000);
}

void Stats(const InfoSource& source, Lines& out) {
  const ServerStats& stats = source.stats;
  out.Count("total_connections_received", stats.connections_received);
  out.Count("total_commands_processed", stats.commands_processed);
  out.Count("instantaneous_ops_per_sec", stats.commands_rate.per_second());
  out.Count("total_net_input_bytes", stats.input_bytes);
  out.Count("total_net_output_bytes", stats.output_bytes);
  out.Format("instantaneous_input_kbps", "%.2f",
             static_cast<double>(stats.input_rate.per_second()) / 1024);
  out.Format("instantaneous_output_kbps", "%.2f",
             static_cast<double>(stats.output_rate.per_second()) / 1024);
  out.Count("rejected_connections", stats.connections_rejected);
  out.Count("sync_full", 0);
  out.Count("sync_partial_ok", 0);
  out.Count("sync_partial_err", 0);
  out.Count("expired_keys", stats.expired_keys);
  out.Count("expire_cycle_lag_msec", stats.expiry_lag_ms);
  out.Count("expire_lag_p99_msec", stats.expiry_lags_ms.Percentile(99));
  out.Count("expire_lag_max_msec", stats.expiry_lags_ms.max());
  out.Count("evicted_keys", 0);
  out.Count("evicted_clients", 0);
  out.Count("dropped_clients", stats.clients_dropped);
  out.Count("keyspace_hits", stats.keyspace_hits);
  out.Count("keyspace_misses", stats.keyspace_misses);
  out.Count("pubsub_channels", 0);
  out.Count("pubsub_patterns", 0);
  out.Count("latest_fork_usec", 0);
  out.Count("total_forks", 0);
  out.Count("total_error_replies", stats.error_replies);
  out.Count("total_reads_processed", stats.reads);
  out.Count("total_writes_processed", stats.writes);
  out.Count("waits_for_data", stats.waits);
  out.Count("writers_paused", stats.writers_paused);
  out.Count("loop_turns", stats.turns_us.total());
  out.Count("loop_turn_p50_usec", stats.turns_us.Percentile(50));
  out.Count("loop_turn_p99_usec", stats.turns_us.Percentile(99));
  out.Count("loop_turn_p9999_usec", stats.turns_us.Percentile(99.99));
  out.Count("loop_turn_max_usec", stats.turns_us.max());
  out.Count("loop_rest_usec", stats.loop_rest_us);
  out.Count("busy_polls", stats.busy_polls);
  out.Count("busy_polls_found", stats.busy_polls_found);
  out.Count("busy_polled_usec", stats.busy_polled_us);
}

void Replication(const InfoSource& source, Lines& out) {
  out.Text("role", "master");
  out.Count("connected_slaves", 0);
  out.Text("master_failover_state", "no-failover");
  out.Text("master_replid", source.run_id);
  out.Count("master_repl_offset", 0);
}

void Cpu(const InfoSource&, Lines& out) {
  const CpuTimes process = ProcessCpu();
  const CpuTimes loop = ThreadCpu();
  out.Format("used_cpu_sys", "%.6f", process.system_seconds);
  out.Format("used_cpu_user", "%.6f", process.user_seconds);
  out.Text("used_cpu_sys_children", "0.000000");
  out.Text("used_cpu_user_children", "0.000000");
  out.Format("used_cpu_sys_main_thread", "%.6f", loop.system_seconds);
  out.Format("used_cpu_user_main_thread", "%.6f", loop.user_seconds);
}

void Modules(const InfoSource&, Lines&) {}

void CommandStatsSection(const InfoSource& source, Lines& out) {
  for (size_t i = 0; i < source.stats.commands.size(); ++i) {
    const CommandStats& stats = source.stats.commands[i];
    if (stats.calls == 0 && stats.rejected == 0) continue;
    const Command& command = CommandAt(static_cast<decltype(CommandCount())>(i));
    out.Format("cmdstat_" + std::string(command.name),
               "calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,failed_calls=%llu",
               static_cast<unsigned long long>(stats.calls),
               static_cast<unsigned long long>(stats.us), Ratio(stats.us, stats.calls),
               static_cast<unsigned long long>(stats.rejected),
               static_cast<unsigned long long>(stats.failed));
  }
}

// How long commands took, in microseconds.
void LatencyStats(const InfoSource& source, Lines& out) {
  for (size_t i = 0; i < source.stats.commands.size(); ++i) {
    const Histogram* times_ns = source.stats.commands[i].times_ns.get();
    if (times_ns == nullptr) continue;
    const Command& command = CommandAt(static_cast<decltype(CommandCount())>(i));
    const auto us = [times_ns](double percent) {
      return static_cast<double>(times_ns->Percentile(percent)) / 1000;
    };
    out.Format("latency_percentiles_usec_" + std::string(command.name),
               "p50=%.3f,p99=%.3f,p99.9=%.3f", us(50), us(99), us(99.9));
  }
}

void Cluster(const InfoSource&, Lines& out) { out.Count("cluster_enabled", 0); }

void Keyspace(const InfoSource& source, Lines& out) {
  for (size_t i = 0; i < source.databases.spaces.size(); ++i) {
    const SpaceId space = source.databases.spaces[i];
    if (space == 0) continue;
    std::string prefix;
    AppendPrefix(&prefix, KeyKind::kKey, space);
    const int64_t keys = source.engine.CountKeys(prefix);
    if (keys <= 0) continue;
    out.Format("db" + std::to_string(i), "keys=%lld,expires=0,avg_ttl=0",
               static_cast<long long>(keys));
  }
}

void EngineSection(const InfoSource& source, Lines& out) {
  const EngineStats stats = source.engine.stats();
  out.Count("records", stats.records);
  out.Count("dirty_records", stats.dirty_records);
  out.Count("frozen_generations", stats.frozen_generations);
  out.Count("unsettled_keys", stats.unsettled_keys);
  out.Count("record_hits", stats.record_hits);
  out.Count("record_misses", stats.record_misses);
  out.Count("evicted_records", stats.evicted_records);
  out.Count("moved_records", stats.moved_records);
  out.Count("filter_checks", stats.filter_checks);
  out.Count("filter_negatives", stats.filter_negatives);
  out.Count("filter_false_positives", stats.filter_false_positives);
  out.Format(
      "filter_false_positive_rate", "%.5f",
      Ratio(stats.filter_false_positives, stats.filter_false_positives + stats.filter_negatives));
  out.Count("block_hits", stats.block_hits);
  out.Count("block_reads_nowait", stats.block_reads_nowait);
  out.Count("block_reads_waited", stats.block_reads_waited);
  out.Count("block_reads_ahead", stats.block_reads_ahead);
  out.Count("block_errors", stats.block_errors);
  out.Count("scrub_running", stats.scrub.running ? 1 : 0);
  out.Count("scrub_bytes", stats.scrub.bytes);
  out.Count("scrub_passes", stats.scrub.passes);
  out.Count("scrub_damages", stats.scrub.damages);
  out.Count("scrub_last_pass_time", static_cast<uint64_t>(stats.scrub.last_pass_ms / 1000));
  out.Count("io_uring", stats.io_uring ? 1 : 0);
  out.Count("commits", stats.commits);
  out.Count("entries_written", stats.entries_written);
  out.Count("user_bytes_written", stats.user_bytes_written);
  out.Count("log_bytes_written", stats.log_bytes_written);
  out.Count("log_groups", stats.log_groups);
  out.Count("log_syncs", stats.log_syncs);
  out.Count("log_sync_usec", stats.log_sync_us);
  out.Count("log_pending_bytes", stats.log_pending_bytes);
  out.Count("log_segments", stats.log_segments);
  out.Count("flushes", stats.flushes);
  out.Count("flush_bytes_written", stats.flush_bytes_written);
  out.Text("compaction_policy", source.config.compaction_policy);
  out.Count("compactions", stats.compactions);
  out.Count("compaction_bytes_read", stats.compaction_bytes_read);
  out.Count("compaction_bytes_written", stats.compaction_bytes_written);
  out.Count("dictionaries_written", stats.dictionaries_written);
  out.Format(
      "write_amplification", "%.2f",
      Ratio(stats.flush_bytes_written + stats.compaction_bytes_written, stats.user_bytes_written));
  out.Count("unreadable_files", stats.unreadable_files);
  out.Count("range_compactions", stats.range_compactions);
  out.Count("range_compactions_running", stats.range_compactions_running);
  out.Count("range_compaction_bytes_left", stats.range_compaction_bytes_left);
  out.Count("checkpoints", stats.checkpoints);
  out.Count("checkpoint_running", stats.checkpoint_running ? 1 : 0);
  out.Count("snapshots", stats.snapshots);
  out.Count("snapshot_oldest_msec", stats.snapshot_oldest_ms);
  out.Count("snapshot_held_bytes", stats.snapshot_held_bytes);
  out.Format("write_debt", "%.2f", stats.write_debt);
  out.Text("write_debt_of", stats.write_debt_of);
  out.Format("level0_to_merge", "%.1f", stats.level0_to_merge);
  out.Count("write_rate_max", stats.write_rate_max);
  out.Count("writer_delay_usec", stats.writer_delay_us);
  out.Count("disk_full", stats.disk_full ? 1 : 0);
  out.Count("disk_reserve_bytes", stats.disk_reserve_bytes);
  out.Text("write_refusal", stats.write_refusal);
  out.Count("tables", stats.tables);
  out.Count("open_tables", stats.open_tables);
  out.Count("table_bytes", stats.table_bytes);
  out.Count("value_files", stats.value_files);
  out.Count("value_bytes", stats.value_bytes);
  out.Count("live_value_bytes", stats.live_value_bytes);
  out.Count("value_bytes_relocated", stats.value_bytes_relocated);
  for (size_t level = 0; level < stats.levels.size(); ++level) {
    if (stats.levels[level].tables == 0) continue;
    out.Format("level" + std::to_string(level), "tables=%llu,bytes=%llu",
               static_cast<unsigned long long>(stats.levels[level].tables),
               static_cast<unsigned long long>(stats.levels[level].bytes));
  }
  out.Count("manifest_number", stats.manifest_number);
  out.Count("replayed_bytes", stats.replayed_bytes);
  out.Count("replayed_records", stats.replayed_records);
  out.Count("replay_usec", stats.replay_us);
}

enum class Shown : uint8_t { kByDefault, kInAll, kInEverything };

struct Section {
  Slice name;
  Slice title;
  Shown shown;
  void (*write)(const InfoSource& source, Lines& out);
};

constexpr Section kSections[] = {
    {"server", "Server", Shown::kByDefault, Server},
    {"clients", "Clients", Shown::kByDefault, ClientsSection},
    {"memory", "Memory", Shown::kByDefault, Memory},
    {"persistence", "Persistence", Shown::kByDefault, Persistence},
    {"stats", "Stats", Shown::kByDefault, Stats},
    {"replication", "Replication", Shown::kByDefault, Replication},
    {"cpu", "CPU", Shown::kByDefault, Cpu},
    {"modules", "Modules", Shown::kInEverything, Modules},
    {"commandstats", "Commandstats", Shown::kInAll, CommandStatsSection},
    {"latencystats", "Latencystats", Shown::kInAll, LatencyStats},
    {"cluster", "Cluster", Shown::kByDefault, Cluster},
    {"keyspace", "Keyspace", Shown::kByDefault, Keyspace},
    {"engine", "Engine", Shown::kByDefault, EngineSection},
};

bool IsWanted(const Section& section, std::span<const Slice> asked) {
  if (asked.empty()) return section.shown == Shown::kByDefault;
  return std::any_of(asked.begin(), asked.end(), [&section](Slice name) {
    if (EqualsIgnoreCase(name, section.name)) return true;
    if (EqualsIgnoreCase(name, "default")) return section.shown == Shown::kByDefault;
    if (EqualsIgnoreCase(name, "all")) return section.shown != Shown::kInEverything;
    return EqualsIgnoreCase(name, "everything");
  });
}

}  // namespace

std::string FormatInfo(const InfoSource& source, std::span<const Slice> sections) {
  std::string text;
  Lines lines(&text);
  for (const Section& section : kSections) {
    if (!IsWanted(section, sections)) continue;
    if (!text.empty()) text.append("\r\n");
    text.append("# ").append(section.title).append("\r\n");
    section.write(source, lines);
  }
  return text;
}

}  // namespace varve
