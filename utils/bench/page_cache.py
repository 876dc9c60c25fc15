"""utils/bench/page_cache.py: keeps the page cache out of what is measured.

A machine with much memory keeps every file that was read, and a database that is larger than its own
memory limit would still be read from memory. So the kernel is asked to drop the database's pages, and again
a few times a second: it then holds only what was read since. (A control group around the server would have to
leave it all the memory it is allowed, and what it does not use would be page cache.)
"""
import os
import threading

DROP_EVERY_S = 0.25


def drop(directory):
    """The kernel forgets what it holds of these files, unless it has yet to be written."""
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                descriptor = os.open(os.path.join(folder, name), os.O_RDONLY)
            except FileNotFoundError:
                continue
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)


class HoldDown:
    """Until the end of a `with` next to nothing of these files is in the page cache."""

    def __init__(self, directory):
        self.directory = directory
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        drop(self.directory)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def _run(self):
        while not self.ended.wait(DROP_EVERY_S):
            drop(self.directory)
