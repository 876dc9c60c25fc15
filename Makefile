# Varve's build. `make help` lists the targets.
#
# Every variant lives in a directory of its own, so that they do not undo each other:
#
#   make                     build/           -O2 -g, CHECK on
#   make DEBUG=1             build/debug/     -O0 -g, DCHECK on
#   make SANITIZE=address    build/address/   DCHECK on; also undefined, thread
#   make CXX=clang++         build/clang/     and build/clang-address/, ...
#
# V=1 shows whole commands. CXXFLAGS and LDFLAGS are yours: they are added to ours.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

ifeq ($(origin CXX),default)
CXX := g++
endif
AR ?= ar
PREFIX ?= /usr/local
CONFDIR ?= $(if $(filter /usr,$(PREFIX)),,$(PREFIX))/etc/varve
UNITDIR ?= $(PREFIX)/lib/systemd/system

# ---- Which variant, and its directory B ------------------------------------------------------

empty :=
space := $(empty) $(empty)
comma := ,
compiler := $(notdir $(lastword $(CXX)))
compiler := $(patsubst gcc,,$(subst g++,gcc,$(subst clang++,clang,$(compiler))))
sanitizers := $(subst $(comma),$(space),$(SANITIZE))
variant := $(subst $(space),-,$(strip $(compiler) $(if $(DEBUG),debug) $(sanitizers)))
B := build$(if $(variant),/$(variant))

# ---- Flags -----------------------------------------------------------------------------------

warnings := -Wall -Wextra -Wpedantic -Wshadow -Wconversion
flags := -std=c++20 -g -pthread -Isrc $(warnings)

ifneq ($(SANITIZE),)
flags += -O1 -fno-omit-frame-pointer -DVARVE_DCHECK
flags += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all
ldflags := -fsanitize=$(SANITIZE)
else ifneq ($(DEBUG),)
flags += -O0 -DVARVE_DCHECK
else
flags += -O2
endif

# The oldest x86 we tune for: any of the last dozen years. Others take the compiler's default.
ifneq ($(findstring x86_64,$(shell $(CXX) -dumpmachine 2>/dev/null)),)
flags += -march=x86-64-v2
endif

# Libraries. Static where the compiler finds an archive, so that the programs run on machines that
# lack them; otherwise, and where pkg-config leads to a place of its own, as pkg-config says. What
# is missing altogether is told by deps/install.
# $(call library,MODULE,ARCHIVE)
library = $(call choose,$(2),$(shell pkg-config --libs $(1) 2>/dev/null))
archive = $(realpath $(shell $(CXX) -print-file-name=$(1) 2>/dev/null))
choose = $(or $(if $(filter -L%,$(2)),,$(archive)),$(2))
modules := libuv libzstd libxxhash liburing
libs := $(call library,libuv,libuv_a.a) $(call library,libzstd,libzstd.a) \
        $(call library,libxxhash,libxxhash.a) $(call library,liburing,liburing.a)

# jemalloc takes malloc's place by being linked before libc. Sanitizers bring their own.
ifeq ($(SANITIZE),)
modules += jemalloc
libs += $(call library,jemalloc,libjemalloc.a)
flags += -DVARVE_JEMALLOC
endif

flags += $(shell pkg-config --cflags $(modules) 2>/dev/null)
all_flags = $(flags) $(CXXFLAGS)
all_ldflags = -pthread $(ldflags) $(LDFLAGS)
all_libs = $(libs) -ldl -lm

# doctest's macros convert as they please; the tests themselves name files from the top.
test_flags := -I. -Wno-conversion -Wno-sign-conversion
hiredis = $(shell pkg-config --libs hiredis 2>/dev/null)

# ---- Sources ---------------------------------------------------------------------------------

find = $(sort $(shell find $(wildcard $(1)) /dev/null -name '*.cc'))
objects = $(patsubst %.cc,$(B)/obj/%.o,$(1))

sources := $(call find,src)
server_main := $(filter src/tools/varve_server.cc,$(sources))
tool_sources := $(filter-out $(server_main),$(filter src/tools/%,$(sources)))
library_sources := $(filter-out src/tools/%,$(sources))

support_sources := $(call find,tests/support)
world_sources := $(call find,tests/sim/world)
unit_sources := $(filter-out $(world_sources),$(call find,tests/unit tests/sim))
call_sources := $(call find,tests/calls) tests/unit/main.cc
client_sources := $(call find,tests/integration tests/crash)
bench_sources := $(call find,tests/bench)
fuzz_driver := tests/fuzz/driver.cc
fuzz_sources := $(filter-out $(fuzz_driver),$(call find,tests/fuzz))
load_sources := $(call find,utils/load)
load_parts := $(filter-out utils/load/load.cc,$(load_sources))
test_sources := $(support_sources) $(unit_sources) $(call_sources) $(world_sources) $(client_sources) $(bench_sources) \
                $(fuzz_sources) $(fuzz_driver) $(load_sources)

programs := $(if $(server_main),$(B)/varve-server) $(if $(tool_sources),$(B)/varve-tool)
test_programs := $(B)/varve-unit-tests $(B)/varve-call-tests $(B)/varve-sim $(B)/varve-sim-planted $(B)/varve-load \
                 $(foreach s,$(client_sources),$(B)/tests/$(basename $(notdir $(s)))) \
                 $(foreach s,$(fuzz_sources),$(B)/fuzz/$(basename $(notdir $(s))))

# ---- Rules -----------------------------------------------------------------------------------

# $(call say,WHAT,FILE) goes before a command: prints the two, and keeps the command to itself.
ifeq ($(V),1)
say =
else
say = @printf '  %-5s %s\n' '$(1)' '$(2)';
endif

.PHONY: all tests
all: $(programs)
tests: all $(test_programs)

# Two files that change only when what they hold does: the flags, on which every object depends,
# and the list of sources, on which whatever is linked depends. (A removed file has no date.)
$(B)/flags: text = $(CXX) $(all_flags) : $(all_ldflags) $(all_libs)
$(B)/sources: text = $(sources) $(test_sources)
$(B)/flags $(B)/sources: FORCE | dependencies
	@mkdir -p $(@D)
	@echo '$(text)' | cmp -s - $@ || echo '$(text)' > $@

.PHONY: dependencies FORCE
dependencies:
	@CXX='$(CXX)' deps/install --check build
FORCE:

$(B)/obj/src/%.o: src/%.cc $(B)/flags
	@mkdir -p $(@D)
	$(call say,CXX,$<)$(CXX) $(all_flags) -MMD -MP -c $< -o $@

$(B)/obj/tests/%.o: tests/%.cc $(B)/flags
	@mkdir -p $(@D)
	$(call say,CXX,$<)$(CXX) $(all_flags) $(test_flags) -MMD -MP -c $< -o $@

$(B)/obj/utils/%.o: utils/%.cc $(B)/flags
	@mkdir -p $(@D)
	$(call say,CXX,$<)$(CXX) $(all_flags) -I. -MMD -MP -c $< -o $@

# Objects alone, where there are no libraries to link.
.PHONY: objects
objects: $(call objects,$(sources))

$(B)/libvarve.a: $(call objects,$(library_sources)) $(B)/sources
	@rm -f $@
	$(call say,AR,$@)$(AR) rcs $@ $(filter %.o,$^)

link = $(CXX) $(all_flags) $(filter %.o,$^) $(B)/libvarve.a $(all_ldflags) $(all_libs) -o $@

$(B)/varve-server: $(call objects,$(server_main)) $(B)/libvarve.a
	$(call say,LINK,$@)$(link)

$(B)/varve-tool: $(call objects,$(tool_sources)) $(B)/libvarve.a
	$(call say,LINK,$@)$(link)

$(B)/varve-unit-tests: $(call objects,$(unit_sources) $(support_sources) $(load_parts)) \
                       $(B)/libvarve.a
	$(call say,LINK,$@)$(link)

# Tests that have system calls fail: these go through tests/calls/failing_calls.cc.
wrapped_calls := access close closedir fallocate fdatasync flock fstat fsync ftruncate link mkdir open opendir pread preadv2 \
            pwrite pwritev readdir rename rmdir stat statvfs sync_file_range unlink io_uring_queue_init io_uring_submit_and_wait
$(B)/varve-call-tests: $(call objects,$(call_sources)) $(B)/libvarve.a
	$(call say,LINK,$@)$(link) $(addprefix -Wl$(comma)--wrap=,$(wrapped_calls))

$(B)/varve-sim: $(call objects,$(world_sources)) $(B)/libvarve.a
	$(call say,LINK,$@)$(link)

# The same with mistakes that it has to find: what can make one is compiled anew, and comes before the library.
planted_sources := $(sort $(shell grep -l 'base/planted_bug.h' -r src tests/sim/world --include=*.cc))
planted_objects := $(patsubst %.cc,$(B)/obj/planted/%.o,$(planted_sources))

$(B)/obj/planted/%.o: %.cc $(B)/flags
	@mkdir -p $(@D)
	$(call say,CXX,$< (planted))$(CXX) $(all_flags) -I. -DVARVE_PLANTED_BUGS -MMD -MP -c $< -o $@

$(B)/varve-sim-planted: $(planted_objects) \
                        $(call objects,$(filter-out $(planted_sources),$(world_sources))) \
                        $(B)/libvarve.a
	$(call say,LINK,$@)$(link)

# Not among the programs that are installed: it is for benchmarks.
$(B)/varve-load: $(call objects,$(load_sources)) $(B)/libvarve.a
	$(call say,LINK,$@)$(link)

$(B)/varve-benchmarks: $(call objects,$(bench_sources)) $(B)/libvarve.a
	$(call say,LINK,$@)$(link) $(shell pkg-config --libs benchmark)

# One program for each file of tests/integration and tests/crash.
define client_test
$(B)/tests/$(basename $(notdir $(1))): $(call objects,$(1) $(support_sources)) $(B)/libvarve.a
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)$$(link) $$(hiredis)
endef
$(foreach s,$(client_sources),$(eval $(call client_test,$(s))))

# One program for each fuzz target. Clang's fuzzer has a main of its own: SANITIZE=fuzzer-no-link,address.
fuzzer := $(filter fuzzer-no-link,$(sanitizers))
define fuzz_program
$(B)/fuzz/$(basename $(notdir $(1))): $(call objects,$(1) $(if $(fuzzer),,$(fuzz_driver))) $(B)/libvarve.a
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)$$(link) $(if $(fuzzer),-fsanitize=fuzzer)
endef
$(foreach s,$(fuzz_sources),$(eval $(call fuzz_program,$(s))))

-include $(patsubst %.o,%.d,$(call objects,$(sources) $(test_sources)) $(planted_objects))

# ---- Run and test ----------------------------------------------------------------------------

# These two install what is missing first, and so build in a make of their own, which then finds
# it: on all processors, unless the caller said how many.
build_jobs = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

.PHONY: run test deps
# ARGS='--port 7000' adds to the command line.
run:
	@CXX='$(CXX)' deps/install build
	@$(MAKE) --no-print-directory $(build_jobs) all
	@mkdir -p data
	@exec $(B)/varve-server conf/varve.conf --dir ./data $(ARGS)

# T='hash expire' runs only tests with such a name, T=--slow the slow ones too.
test:
	@CXX='$(CXX)' deps/install build test
	@$(MAKE) --no-print-directory $(build_jobs) tests
	@tests/run --build $(B) $(T)

# Histories of a server in a simulated world, for a minute: MINUTES=60 for longer. SEED=n repeats one, with TRACE=1 it
# tells every step.
.PHONY: sim
sim:
	@CXX='$(CXX)' deps/install build
	@$(MAKE) --no-print-directory $(build_jobs) $(B)/varve-sim
	@$(B)/varve-sim $(sim_options) $(if $(SEED),--seed $(SEED),--minutes $(or $(MINUTES),1)) $(if $(TRACE),--trace)

# The same operations under many options: the same answers.
.PHONY: metamorphic
metamorphic: sim_options := --calm
metamorphic: sim

# Every parser of foreign bytes, for SECONDS each: from a corpus, at random, and with clang by what it reaches.
.PHONY: fuzz
fuzz:
	@CXX='$(CXX)' deps/install build
	@$(MAKE) --no-print-directory $(build_jobs) $(foreach s,$(fuzz_sources),$(B)/fuzz/$(basename $(notdir $(s))))
	@set -e; for target in $(patsubst fuzz_%,%,$(basename $(notdir $(fuzz_sources)))); do \
	  echo "== $$target"; mkdir -p $(B)/fuzz/found/$$target; \
	  $(B)/fuzz/fuzz_$$target $(if $(fuzzer),-max_total_time=$(or $(SECONDS),60) $(B)/fuzz/found/$$target, \
	    --seconds=$(or $(SECONDS),60)) tests/fuzz/corpus/$$target; done

deps:
	@CXX='$(CXX)' deps/install build test format lint

# ---- Lint and format -------------------------------------------------------------------------

formatted = $(shell find src tests utils -name '*.cc' -o -name '*.h')

.PHONY: lint lint-fast format
lint: lint-fast
	@deps/install lint
	@$(MAKE) --no-print-directory $(build_jobs) --keep-going tidy

lint-fast:
	@deps/install format
	@utils/check_includes
	$(call say,FMT,src tests)clang-format --dry-run --Werror $(formatted)

format:
	@deps/install format
	$(call say,FMT,src tests)clang-format -i $(formatted)

# clang-tidy takes seconds a file. It looks again at what was compiled again, and at no more.
.PHONY: tidy
tidy: $(patsubst %.cc,$(B)/tidy/%,$(sources) $(load_sources))
$(B)/tidy/%: %.cc $(B)/obj/%.o .clang-tidy
	@mkdir -p $(@D)
	$(call say,TIDY,$<)clang-tidy --quiet $< -- $(all_flags) -I. 2>/dev/null
	@touch $@

# ---- Other machines --------------------------------------------------------------------------

# Compiles for a processor that we have not got.
.PHONY: cross
cross:
	@deps/install cross
	@$(MAKE) --no-print-directory $(build_jobs) CXX=aarch64-linux-gnu-g++ DEBUG=1 objects

# ---- Bench -----------------------------------------------------------------------------------

.PHONY: bench bench-redis bench-latency bench-profile bench-memory bench-engine bench-cold \
        bench-pace
# ARGS='--benchmark_filter=Table' chooses.
bench:
	@CXX='$(CXX)' deps/install build micro
	@$(MAKE) --no-print-directory $(build_jobs) $(B)/varve-benchmarks
	@$(B)/varve-benchmarks $(ARGS)

bench-redis: all
	@deps/install bench
	@VARVE_SERVER=$(B)/varve-server utils/bench/bench-redis $(ARGS)

bench-latency: all $(B)/varve-load
	@deps/install bench
	@$(load_programs) utils/bench/bench-latency $(ARGS)

bench-profile: all
	@deps/install bench profile
	@VARVE_SERVER=$(B)/varve-server utils/bench/bench-profile $(ARGS)

bench-memory: all
	@VARVE_SERVER=$(B)/varve-server utils/bench/bench-memory $(ARGS)

load_programs := VARVE_SERVER=$(B)/varve-server VARVE_LOAD=$(B)/varve-load

bench-cold: all $(B)/varve-load
	@deps/install bench
	@$(load_programs) utils/bench/bench-cold $(ARGS)

bench-pace: all $(B)/varve-load
	@$(load_programs) utils/bench/bench-pace $(ARGS)

# What cannot be had is left out of the comparison.
bench-engine: $(B)/varve-tool
	@deps/install engine || echo 'bench-engine: goes on with what is there' >&2
	@VARVE_TOOL=$(B)/varve-tool utils/bench/bench-engine $(ARGS)

# ---- Install and clean -----------------------------------------------------------------------

# A configuration that is already there is kept; ours is then put beside it.
.PHONY: install clean help
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(CONFDIR) $(DESTDIR)$(UNITDIR)
	install -m 755 $(programs) $(DESTDIR)$(PREFIX)/bin
	install -m 644 conf/varve.conf \
	  $(DESTDIR)$(CONFDIR)/varve.conf$(if $(wildcard $(DESTDIR)$(CONFDIR)/varve.conf),.new)
	sed -e 's|@BINDIR@|$(PREFIX)/bin|' -e 's|@CONFDIR@|$(CONFDIR)|' conf/varve.service \
	  > $(DESTDIR)$(UNITDIR)/varve.service

clean:
	rm -rf build

help:
	@echo 'make               build $(B)/varve-server and $(B)/varve-tool'
	@echo 'make run           install what is missing, build, start the server; data in ./data'
	@echo 'make test          install what is missing, build, run every test but the slow ones'
	@echo 'make sim           histories of a server whose disk and power fail; MINUTES=60, SEED=n TRACE=1'
	@echo 'make metamorphic   the same operations under many options; the same variables'
	@echo 'make fuzz          foreign bytes into every parser; SECONDS=600 for each'
	@echo 'make lint          layout, includes, clang-tidy; lint-fast leaves out the last'
	@echo 'make format        lay out the sources anew'
	@echo 'make cross         compile for aarch64, without linking'
	@echo 'make bench         nanoseconds an operation; bench-redis compares with Redis, bench-engine'
	@echo '                   the engine alone with RocksDB and LevelDB, bench-memory loads more data'
	@echo '                   than memory, bench-cold reads such data from the disk, bench-pace writes'
	@echo '                   at an even pace for hours, bench-latency at a fixed rate beside Redis;'
	@echo '                   bench-profile counts instructions and samples. ARGS=... passes options,'
	@echo '                   such as --quick'
	@echo 'make install       PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)'
	@echo 'make deps          install what building, testing and linting need'
	@echo 'make clean         remove build/; ./data stays'
	@echo 'Variants: DEBUG=1, SANITIZE=address|undefined|thread, CXX=clang++. V=1 shows commands.'
