# make run     packages, build, and the demo with its page
# make test    packages, build, and every test
# make help    the rest

BUILD ?= build
JOBS  ?= $(shell nproc)

.DEFAULT_GOAL := help
.PHONY: help setup build run cluster test unit asan tsan lint format faults clean

help:
	@echo 'make run      installs what is missing, builds, and starts the demo: backend, gateway and page'
	@echo 'make cluster  the same for a cluster: three nats-servers, three backends, two gateways, and a page on which to kill them'
	@echo 'make test     installs what is missing, builds, and runs every test'
	@echo 'make build    $(BUILD)/galaxy-push'
	@echo 'make unit     the C++ unit tests only'
	@echo 'make sim      SEEDS=1000 simulated worlds from seed FIRST=1 on; the first that fails, with its history'
	@echo 'make crash    200 kills of the backend and 100 of gateways under load; SEED=N repeats a schedule'
	@echo 'make chaos    MINUTES=30 of faults in a cluster of three servers and three backends; SEED=N repeats a schedule'
	@echo 'make asan     the C++ unit tests under the address and undefined-behaviour sanitizers'
	@echo 'make tsan     the suites with threads under the thread sanitizer (clang 19)'
	@echo 'make fuzz     each fuzz target for SECONDS=60 of a processor on JOBS cores (clang 19); FUZZ="jwt url" for some'
	@echo 'make fuzz-merge  takes new inputs of make fuzz into the corpora that make test replays'
	@echo 'make lint     clang-tidy 19 over src/ and clang-format in check mode'
	@echo 'make format   clang-format in place'
	@echo 'make faults   plants each fault of tests/faults and demands that its test fails (FAULTS="--rule 4.2")'
	@echo 'make bench    measures everything against its peers and rewrites docs/performance.md (ROWS=stream,publish REPEAT=3)'
	@echo 'make clean    removes $(BUILD) and the sanitizer builds'

build:
	@tools/setup build
	@cmake -S . -B $(BUILD) -G Ninja -DGALAXY_TESTS=OFF >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log
	@cmake --build $(BUILD) -j $(JOBS)

run: build
	@$(BUILD)/galaxy-push demo

cluster: build
	@tools/setup cluster
	@GALAXY_PUSH=$(BUILD)/galaxy-push GALAXY_BUILD=$(BUILD) /usr/bin/python3 tools/cluster/run.py $(CLUSTER)

test: build-tests node-modules
	@JOBS=$(JOBS) fuzz/build_sanitized
	@ctest --test-dir $(BUILD) -j $(JOBS) --output-on-failure

unit: build-tests
	@ctest --test-dir $(BUILD) -j $(JOBS) --output-on-failure -L unit

# Simulated worlds: docs/reliability.md.
.PHONY: sim
SEEDS ?= 1000
FIRST ?= 1
sim:
	@tools/setup test
	@cmake -S . -B $(BUILD) -G Ninja -DGALAXY_TESTS=ON >/dev/null
	@cmake --build $(BUILD) -j $(JOBS) --target galaxy-sim
	@$(BUILD)/galaxy-sim --seeds $(SEEDS) --first $(FIRST) --jobs $(JOBS)

# Real processes, killed: docs/reliability.md.
.PHONY: crash
crash:
	@tools/setup test
	@cmake -S . -B $(BUILD) -G Ninja -DGALAXY_TESTS=ON >/dev/null
	@cmake --build $(BUILD) -j $(JOBS) --target galaxy-push crash_fail_io
	@GALAXY_PUSH=$(BUILD)/galaxy-push GALAXY_BUILD=$(BUILD) nice -n 5 /usr/bin/python3 tests/crash/campaign.py $(if $(SEED),--seed $(SEED))

# A cluster, broken in every way: docs/reliability.md.
.PHONY: chaos
MINUTES ?= 30
chaos:
	@tools/setup test
	@cmake -S . -B $(BUILD) -G Ninja -DGALAXY_TESTS=ON >/dev/null
	@cmake --build $(BUILD) -j $(JOBS) --target galaxy-push
	@GALAXY_PUSH=$(BUILD)/galaxy-push GALAXY_BUILD=$(BUILD) nice -n 5 /usr/bin/python3 tests/cluster/chaos.py --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(CHAOS)

.PHONY: build-tests node-modules
build-tests:
	@tools/setup test
	@cmake -S . -B $(BUILD) -G Ninja -DGALAXY_TESTS=ON -DGALAXY_BENCH=ON
	@cmake --build $(BUILD) -j $(JOBS)

node-modules: tests/node_modules/.stamp sdk/js/node_modules/.stamp
%/node_modules/.stamp: %/package-lock.json
	@cd $* && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

asan:
	@tools/setup test
	@cmake --preset asan && cmake --build --preset asan -j $(JOBS)
	@ctest --test-dir build-asan -j $(JOBS) --output-on-failure -L unit

# The suites that start threads, or whose subjects run on several.
TSAN ?= storage_test net_test log_test grpc_test backend_test gateway_test client_test
tsan:
	@tools/setup lint
	@cmake --preset tsan && cmake --build --preset tsan -j $(JOBS) --target $(TSAN)
	@ctest --test-dir build-tsan -j $(JOBS) --output-on-failure -R '^($(subst $(eval ) ,|,$(TSAN)))$$'

# docs/reliability.md, "Fuzzing".
.PHONY: fuzz fuzz-merge fuzzers
SECONDS ?= 60
fuzzers:
	@tools/setup lint
	@cmake --preset fuzz >/dev/null && cmake --build --preset fuzz -j $(JOBS) --target $(if $(FUZZ),$(FUZZ:%=%_fuzz),fuzzers)
fuzz: fuzzers
	@/usr/bin/python3 fuzz/run.py --seconds $(SECONDS) --jobs $(JOBS) $(FUZZ)
fuzz-merge: fuzzers
	@/usr/bin/python3 fuzz/run.py --merge $(FUZZ)

lint:
	@tools/setup lint
	@cmake --preset lint >/dev/null && cmake --build --preset lint -j $(JOBS)
	@git ls-files 'src/*.h' 'src/*.cc' | xargs clang-format --dry-run --Werror

format:
	@tools/setup lint
	@git ls-files 'src/*.h' 'src/*.cc' 'fuzz/*.cc' 'bench/*.cc' | xargs clang-format -i

faults: node-modules
	@tools/setup test
	@/usr/bin/python3 tests/faults/run.py --jobs $(JOBS) $(FAULTS)

# Rows that are not measured keep the figures of docs/performance/results.json.
.PHONY: bench bench-smoke build-bench
build-bench: node-modules
	@tools/setup bench
	@cmake -S . -B build-bench -G Ninja -DCMAKE_BUILD_TYPE=Release -DGALAXY_TESTS=OFF -DGALAXY_BENCH=ON >/dev/null
	@cmake --build build-bench -j $(JOBS)

bench: build-bench
	@/usr/bin/python3 bench/galaxy_bench/run.py --repeat $(or $(REPEAT),3) $(if $(ROWS),--rows $(ROWS)) --out docs/performance/results.json --report docs/performance.md

bench-smoke: build-bench
	@/usr/bin/python3 bench/galaxy_bench/run.py --smoke --out build-bench/smoke.json --report build-bench/smoke.md

clean:
	@rm -rf $(BUILD) build-asan build-tsan build-lint build-fuzz build-faults build-bench
