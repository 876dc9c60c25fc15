// server/net/loop.cc: the loop's handles.
//
//   check     after events
//   prepare   before the sleep
//   idle      does nothing; while it is active the loop does not sleep
//   signals   one handle a signal
//
// None of them keeps the loop alive; PosixEnv::RunUntil says how long it runs.
#include "server/net/loop.h"

#include <poll.h>
#include <uv.h>

#include <list>
#include <utility>

#include "base/check.h"

namespace varve {

struct Loop::Handles {
  struct Signal {
    uv_signal_t handle;
    std::function<void()> handler;
  };

  uv_loop_t loop;
  uv_check_t check;
  uv_prepare_t prepare;
  uv_idle_t idle;
  std::list<Signal> signals;
  std::function<void()> after_events;
  std::function<void()> before_sleep;
  uint64_t started_ns = 0;

  static void AfterEvents(uv_check_t* check) {
    Handles* handles = static_cast<Handles*>(check->data);
    if (handles->after_events) handles->after_events();
  }
  static void BeforeSleep(uv_prepare_t* prepare) {
    Handles* handles = static_cast<Handles*>(prepare->data);
    if (handles->before_sleep) handles->before_sleep();
  }
};

namespace {

template <typename Handle>
void Unref(Handle* handle) {
  uv_unref(reinterpret_cast<uv_handle_t*>(handle));
}

}  // namespace

Loop::Loop() : handles_(std::make_unique<Handles>()) {
  Handles& h = *handles_;
  CHECK(uv_loop_init(&h.loop) == 0);
  // Lets AwakeUs() tell sleep from work: two readings of the clock a turn.
  CHECK(uv_loop_configure(&h.loop, UV_METRICS_IDLE_TIME) == 0);
  h.started_ns = uv_hrtime();

  uv_check_init(&h.loop, &h.check);
  uv_prepare_init(&h.loop, &h.prepare);
  uv_idle_init(&h.loop, &h.idle);
  h.check.data = h.prepare.data = &h;
  uv_check_start(&h.check, Handles::AfterEvents);
  uv_prepare_start(&h.prepare, Handles::BeforeSleep);
  Unref(&h.check);
  Unref(&h.prepare);
  Unref(&h.idle);
}

Loop::~Loop() {
  Handles& h = *handles_;
  h.after_events = h.before_sleep = nullptr;
  // Connections and listeners were closed by their owners; their memory is freed in the run below.
  uv_walk(
      &h.loop,
      [](uv_handle_t* handle, void*) {
        if (!uv_is_closing(handle)) uv_close(handle, nullptr);
      },
      nullptr);
  uv_run(&h.loop, UV_RUN_DEFAULT);
  CHECK(uv_loop_close(&h.loop) == 0);
}

uv_loop_s* Loop::handle() const { return &handles_->loop; }

void Loop::OnTurn(std::function<void()> after_events, std::function<void()> before_sleep) {
  handles_->after_events = std::move(after_events);
  handles_->before_sleep = std::move(before_sleep);
}

void Loop::SetBusy(bool busy) {
  // Both calls are nothing but a test when there is nothing to change.
  if (busy) {
    uv_idle_start(&handles_->idle, [](uv_idle_t*) {});
  } else {
    uv_idle_stop(&handles_->idle);
  }
}

bool Loop::WillSleep() const { return uv_backend_timeout(&handles_->loop) != 0; }

bool Loop::LookForEvents(uint64_t us) const {
  pollfd events = {uv_backend_fd(&handles_->loop), POLLIN, 0};
  const uint64_t begin_ns = uv_hrtime();
  do {
    if (poll(&events, 1, 0) > 0) return true;
  } while (uv_hrtime() - begin_ns < us * 1000);
  return false;
}

void Loop::OnSignal(int signal_number, std::function<void()> handler) {
  Handles::Signal& signal = handles_->signals.emplace_back();
  signal.handler = std::move(handler);
  CHECK(uv_signal_init(&handles_->loop, &signal.handle) == 0);
  signal.handle.data = &signal;
  CHECK(uv_signal_start(
            &signal.handle,
            [](uv_signal_t* s, int) { static_cast<Handles::Signal*>(s->data)->handler(); },
            signal_number) == 0);
  Unref(&signal.handle);
}

uint64_t Loop::AwakeUs() const {
  const uint64_t since_start_ns = uv_hrtime() - handles_->started_ns;
  return (since_start_ns - uv_metrics_idle_time(&handles_->loop)) / 1000;
}

}  // namespace varve
