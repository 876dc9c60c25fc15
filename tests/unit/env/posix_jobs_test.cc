// tests/unit/env/posix_jobs_test.cc: jobs of the real world: their threads, their order, and what is known of them.
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include <array>
#include <atomic>
#include <ctime>
#include <thread>

#include "base/log.h"
#include "env/background.h"
#include "env/posix_env.h"
#include "tests/support/posix_world.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

using World = PosixWorld;

int FirstCpu() {
  cpu_set_t usable;
  REQUIRE(sched_getaffinity(0, sizeof(usable), &usable) == 0);
  int cpu = 0;
  while (!CPU_ISSET(cpu, &usable)) ++cpu;
  return cpu;
}

// The thread that calls.
void StayOnCpu(int cpu) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  sched_setaffinity(0, sizeof(one), &one);
}

}  // namespace

TEST_CASE("posix jobs: work runs on a named thread, done on the loop, in the order given") {
  World world;
  const std::thread::id loop_thread = std::this_thread::get_id();
  std::vector<int> worked;  // by one thread alone
  std::vector<int> done;
  std::string thread_name;
  bool scheduled = false;
  for (int i = 0; i < 1000; ++i) {
    world.env().Schedule(
        Lane::kLog,
        [&, i] {
          char name[16];
          pthread_getname_np(pthread_self(), name, sizeof(name));
          thread_name = name;
          worked.push_back(i);
        },
        [&, i] {
          CHECK(std::this_thread::get_id() == loop_thread);
          CHECK(scheduled);
          done.push_back(i);
        });
  }
  scheduled = true;
  CHECK(world.env().pending_jobs() == 1000);
  world.RunAll();
  CHECK(thread_name == "varve-log");
  REQUIRE(worked.size() == 1000);
  for (int i = 0; i < 1000; ++i) CHECK(worked[static_cast<size_t>(i)] == i);
  CHECK(done == worked);
}

TEST_CASE("posix jobs: lanes do not wait for each other, and reads run side by side") {
  PosixEnvOptions options;
  options.workers.threads_max[static_cast<size_t>(Lane::kRead)] = 4;
  World world(options);
  // All four reads and a flush must be running before any may end.
  std::atomic<int> running{0};
  const auto work = [&] {
    ++running;
    while (running < 5) std::this_thread::yield();
  };
  for (int i = 0; i < 4; ++i) world.env().Schedule(Lane::kRead, work, [] {});
  world.env().Schedule(Lane::kFlush, work, [] {});
  world.RunAll();
  CHECK(running == 5);
}

TEST_CASE(
    "posix jobs: work in the background is nice, reads are not, and no worker takes signals") {
  World world;
  const int own_nice = getpriority(PRIO_PROCESS, static_cast<id_t>(gettid()));
  for (size_t lane = 0; lane < kLanes; ++lane) {
    CAPTURE(lane);
    int nice = -1;
    bool blocked = false;
    world.env().Schedule(
        static_cast<Lane>(lane),
        [&] {
          nice = getpriority(PRIO_PROCESS, static_cast<id_t>(gettid()));
          sigset_t mask;
          pthread_sigmask(SIG_SETMASK, nullptr, &mask);
          blocked = sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGSEGV) == 0;
        },
        [] {});
    world.RunAll();
    CHECK((nice >= 10) == (IsBackgroundLane(static_cast<Lane>(lane)) || own_nice >= 10));
    CHECK(blocked);
  }
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  CHECK(sigismember(&mask, SIGTERM) == 0);
}

#ifdef VARVE_JEMALLOC
TEST_CASE("posix jobs: what a job holds is known while it runs, and no longer") {
  World world;
  CHECK(world.env().job_memory_bytes() == 0);
  constexpr size_t kHeldBytes = 8u << 20;
  std::atomic<int> step{0};
  std::string kept;
  world.env().Schedule(
      Lane::kFlush,
      [&] {
        kept.assign(kHeldBytes, 'x');
        std::string given_back(kHeldBytes, 'y');
        step = 1;
        while (step < 2) std::this_thread::yield();
        given_back = {};
        given_back.shrink_to_fit();
        step = 3;
        while (step < 4) std::this_thread::yield();
      },
      [] {});
  const auto held_at = [&](int at) {
    while (step < at) std::this_thread::yield();
    return world.env().job_memory_bytes();
  };
  const uint64_t both = held_at(1);
  step = 2;
  const uint64_t one = held_at(3);
  step = 4;
  world.RunAll();
  CHECK(both >= 2 * kHeldBytes);
  CHECK(both < 3 * kHeldBytes);
  CHECK(one >= kHeldBytes);
  CHECK(one < 2 * kHeldBytes);
  CHECK(world.env().job_memory_bytes() == 0);
}
#endif

TEST_CASE("posix jobs: how long background jobs wait for a CPU is known where the kernel tells") {
  if (access("/proc/self/schedstat", R_OK) != 0) return;
  World world;
  Env& env = world.env();
  CHECK(env.job_cpu_wait_us() == 0);
  // Two that want the same one for 100 ms each.
  const auto spin = [cpu = FirstCpu()] {
    StayOnCpu(cpu);
    timespec used{};
    do {
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    } while (used.tv_sec == 0 && used.tv_nsec < 100'000'000);
  };
  env.Schedule(Lane::kFlush, spin, [] {});
  env.Schedule(Lane::kCompaction, spin, [] {});
  world.RunAll();
  CHECK(env.job_cpu_wait_us() >= 50'000);
}

TEST_CASE("posix jobs: some lanes are in the background, and nobody else is") {
  World world;
  std::array<bool, kLanes> background{};
  std::array<int, kLanes> nice{};
  for (size_t lane = 0; lane < kLanes; ++lane) {
    world.env().Schedule(
        static_cast<Lane>(lane),
        [&, lane] {
          background[lane] = IsBackground();
          nice[lane] = getpriority(PRIO_PROCESS, static_cast<id_t>(gettid()));
        },
        [] {});
  }
  world.RunAll();
  const int usual = getpriority(PRIO_PROCESS, 0);
  for (size_t lane = 0; lane < kLanes; ++lane) {
    CAPTURE(lane);
    CHECK(background[lane] == IsBackgroundLane(static_cast<Lane>(lane)));
    CHECK(nice[lane] == (background[lane] ? 19 : usual));
  }
  CHECK(!IsBackground());
}

TEST_CASE(
    "posix jobs: those in the background change places now and then, not whenever they offer to") {
  World world;
  std::array<int64_t, 2> switches{};
  constexpr int64_t kOffers = 100'000;
  const auto offer = [&, cpu = FirstCpu()](size_t job) {
    StayOnCpu(cpu);
    rusage before{};
    rusage after{};
    getrusage(RUSAGE_THREAD, &before);
    for (int64_t i = 0; i < kOffers; ++i) OfferCpu();
    getrusage(RUSAGE_THREAD, &after);
    switches[job] = after.ru_nvcsw - before.ru_nvcsw + after.ru_nivcsw - before.ru_nivcsw;
  };
  world.env().Schedule(
      Lane::kFlush, [&] { offer(0); }, [] {});
  world.env().Schedule(
      Lane::kCompaction, [&] { offer(1); }, [] {});
  world.RunAll();
  for (size_t job = 0; job < 2; ++job) {
    CAPTURE(job);
    CHECK(switches[job] < kOffers / 10);
  }
}

TEST_CASE("posix jobs: where no thread can be started the work is done all the same") {
  World world;
  pthread_attr_t before;
  REQUIRE(pthread_getattr_default_np(&before) == 0);
  pthread_attr_t impossible;
  pthread_attr_init(&impossible);
  pthread_attr_setstacksize(&impossible, size_t{1} << 47);  // more than there are addresses
  REQUIRE(pthread_setattr_default_np(&impossible) == 0);
  const LogLevel level = GetLogLevel();
  SetLogLevel(LogLevel::kNothing);

  const std::thread::id loop_thread = std::this_thread::get_id();
  std::vector<int> order;
  for (int i = 0; i < 3; ++i) {
    world.env().Schedule(
        Lane::kLog, [&, i] { order.push_back(i); }, [&, i] { order.push_back(10 + i); });
  }
  CHECK(order == std::vector<int>{0, 1, 2});
  world.RunAll();
  CHECK(order == std::vector<int>{0, 1, 2, 10, 11, 12});

  // As soon as the system has threads again, they are used.
  SetLogLevel(level);
  REQUIRE(pthread_setattr_default_np(&before) == 0);
  pthread_attr_destroy(&before);
  pthread_attr_destroy(&impossible);
  std::thread::id worker = loop_thread;
  world.env().Schedule(
      Lane::kLog, [&] { worker = std::this_thread::get_id(); }, [] {});
  world.RunAll();
  CHECK(worker != loop_thread);
}

TEST_CASE(
    "posix jobs: a loop that stays awake is not woken, and before it sleeps it hears of all") {
  World world;
  PosixEnv& env = world.env();
  std::atomic<bool> worked{false};
  bool done = false;
  const auto schedule = [&] {
    worked = done = false;
    env.Schedule(
        Lane::kLog, [&] { worked = true; }, [&] { done = true; });
    while (!worked) std::this_thread::yield();
    usleep(20'000);  // and it has finished, most likely: if not, less is tested
  };
  env.StayAwake();
  schedule();
  uv_run(world.loop(), UV_RUN_NOWAIT);
  CHECK_FALSE(done);
  env.StayAwake();
  CHECK(done);

  schedule();
  env.MaySleep();
  CHECK_FALSE(done);
  env.RunUntil([&] { return done; });

  // What comes while it sleeps wakes it.
  env.StayAwake();
  env.MaySleep();
  schedule();
  env.RunUntil([&] { return done; });
}

TEST_CASE("posix jobs: no job is missed by a loop that stays awake for a while in each turn") {
  World world;
  PosixEnv& env = world.env();
  struct Turns {
    uv_prepare_t prepare;
    uv_check_t check;
  } turns;
  uv_prepare_init(world.loop(), &turns.prepare);
  uv_check_init(world.loop(), &turns.check);
  turns.prepare.data = turns.check.data = &env;
  uv_prepare_start(&turns.prepare, [](uv_prepare_t* handle) {
    static_cast<PosixEnv*>(handle->data)->StayAwake();
    static_cast<PosixEnv*>(handle->data)->MaySleep();
  });
  uv_check_start(&turns.check,
                 [](uv_check_t* handle) { static_cast<PosixEnv*>(handle->data)->StayAwake(); });
  constexpr int kJobs = 30'000;
  int done = 0;
  bool late = false;
  std::function<void()> next = [&] {
    // Now at once, now a little later: the loop is awake, about to sleep, or asleep.
    const int spins = ++done % 61 * 20;
    if (done < kJobs) {
      env.Schedule(
          Lane::kLog,
          [spins] {
            for (std::atomic<int> i{0}; i < spins;) ++i;
          },
          next);
    }
  };
  env.Schedule(
      Lane::kLog, [] {}, next);
  const Env::TimerId timer = env.RunAfter(60'000, [&] { late = true; });
  env.RunUntil([&] { return done == kJobs || late; });
  CHECK(done == kJobs);
  env.CancelTimer(timer);
  uv_close(reinterpret_cast<uv_handle_t*>(&turns.prepare), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&turns.check), nullptr);
  uv_run(world.loop(), UV_RUN_NOWAIT);
}

TEST_CASE("posix jobs: captures die on the loop, after done") {
  World world;
  const std::thread::id loop_thread = std::this_thread::get_id();
  std::atomic<int> died{0};
  const auto watch = [&] {
    return std::shared_ptr<int>(new int(0), [&](int* p) {
      CHECK(std::this_thread::get_id() == loop_thread);
      ++died;
      delete p;
    });
  };
  int died_before_done = -1;
  world.env().Schedule(
      Lane::kFlush, [w = watch()] { ++*w; }, [&, w = watch()] { died_before_done = died; });
  world.RunAll();
  CHECK(died_before_done == 0);
  CHECK(died == 2);
}

TEST_CASE("posix jobs: done may schedule, post and set timers; closing runs all of it but timers") {
  World world;
  int jobs = 0;
  int posts = 0;
  std::function<void()> next = [&] {
    if (++jobs == 50) return;
    world.env().Schedule(
        Lane::kManifest, [] {}, next);
    world.env().Post([&] { ++posts; });
    world.env().RunAfter(3'600'000, [] { CHECK(false); });
  };
  world.env().Schedule(
      Lane::kManifest, [] {}, next);
  world.Close();
  CHECK(jobs == 50);
  CHECK(posts == 49);
  int handles = 0;
  uv_walk(
      world.loop(), [](uv_handle_t*, void* count) { ++*static_cast<int*>(count); }, &handles);
  CHECK(handles == 0);
}

}  // namespace varve
