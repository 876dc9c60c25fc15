// server/process.h: the process among others: daemon, pid file, service manager.
//
// Threads: loop; Daemonize before there are any others.
#pragma once

#include <string>

#include "base/slice.h"
#include "base/status.h"

namespace varve {

// Goes to the background. Returns in the daemon only; the process that was called waits until the
// daemon calls DaemonReady, and exits 0, or until it dies, and exits 1. So whoever starts a daemon
// learns whether it has started, and sees its errors.
Status Daemonize();
// Does nothing if this is no daemon.
void DaemonReady();

Status WritePidFile(const std::string& path);
void RemovePidFile(const std::string& path);

// Tells systemd, if it is there ($NOTIFY_SOCKET): "READY=1", "STOPPING=1". False if nobody listens.
bool NotifySupervisor(Slice state);

}  // namespace varve
