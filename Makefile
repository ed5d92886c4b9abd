# What a person types; `make` alone lists it. Every target does all of its own set-up.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

target := $(or $(CARGO_TARGET_DIR),target)
cargo := cargo --locked
# The programs, with the features of dependencies that the tests have too: built without them, what has other features
# then, tokio and kube among it, would be built twice.
build := $(cargo) build --workspace --bins --example demo --example api-reference

.PHONY: help demo test sweep soak mutants fuzz chaos probe-selftest lint bench dist crds metrics emulator-api book control-plane image emulator-image

help: ## list the targets
	@echo "Targets:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 24

# The control plane takes minutes to build the first time: it builds while cargo builds. A cargo that fails ends the
# recipe at once; what the background job has built by then is used by the next run.

# KIND=script, image, package, containerGroup or imageUpdate shows that kind on its own, KIND=gates updates that nobody watches,
# KIND=plugin the command line.
demo: ## watch rolling updates run from kubectl to the emulated cloud and back
	@hack/need rust go
	@hack/control-plane >/dev/null & control_plane=$$!; \
	$(build); \
	wait $$control_plane; \
	KIND="$(KIND)" exec "$(target)/debug/examples/demo"

# Most tests wait for programs most of the time, so more of them than there are cores run side by side. All run, whatever fails:
# a run of CI tells of every failure at once, and at its end in a few lines.
test: ## run all tests: Rust, the chart with the real helm, the official Python SDK
	@hack/need rust go python
	@{ hack/control-plane && hack/control-plane helm && hack/control-plane kstatus && hack/control-plane prometheus && hack/sdk-tests prepare && { hack/earlier || [ $$? = 3 ]; }; } >/dev/null & tools=$$!; \
	$(cargo) test --workspace --no-run; \
	wait $$tools
	@RUST_TEST_THREADS=$${RUST_TEST_THREADS:-8} "$(target)/debug/with-control-plane" -- $(cargo) test --workspace --no-fail-fast 2>&1 | \
		tee "$(target)/test.log" || { hack/failures "$(target)/test.log"; exit 1; }
	@hack/sdk-tests run "$(target)/debug/ess-emulator"

# ONLY='scenario' or ONLY='scenario:12:after' runs a part; FAULTS='reads-null,hour-ahead' tries these at every boundary, and no others,
# FAULTS=all each there is, in half an hour.
sweep: ## each fault at every call and write of every scenario, and 500 random schedules of up to 20
	@hack/need rust
	@EVERY="$${EVERY:-1}" $(cargo) test --quiet --package ess-rollout --test simulation

# SEEDS=100000 has more.
soak: ## 10,000 random schedules of up to 20 faults
	@hack/need rust
	@ONLY=soak $(cargo) test --quiet --package ess-rollout --test simulation

# ONLY='approve-for-any-pause' plants that alone; tests/mutants/list.toml has all. EVERY=3 has the sweep try a third of what it tries.
mutants: ## plant faults in the operator, one at a time, and see which tests notice; takes hours
	@hack/need rust python
	@hack/mutants "$(target)" $(ONLY)

# ONLY=wire for one target, SECONDS_EACH=… for longer. cargo-fuzz wants a nightly toolchain, and a target directory of its own.
fuzz: ## libFuzzer on what strangers and services send in, ten minutes each
	@hack/need rust
	@for one in $${ONLY:-$$(ls fuzz/corpus)}; do \
		CARGO_TARGET_DIR="$(target)/fuzz" cargo +nightly fuzz run "$$one" -- -max_total_time="$${SECONDS_EACH:-600}" -timeout=10 -rss_limit_mb=2048 || exit 1; \
	done

# CHAOS_SEED=… replays what was done in which round, CHAOS_ROUNDS=… makes it longer or shorter. `make test` has 6 rounds of it.
chaos: ## two operators: kill, stop, freeze and cut off the one that leads, 200 times
	@hack/need rust go
	@{ hack/control-plane && hack/control-plane helm; } >/dev/null & tools=$$!; \
	$(cargo) test --package ess-rollout --test chaos --no-run; \
	$(build); \
	wait $$tools
	@CHAOS_ROUNDS=$${CHAOS_ROUNDS:-200} "$(target)/debug/with-control-plane" -- $(cargo) test --quiet --package ess-rollout --test chaos

# PROBE_SEED=… begins with another one.
probe-selftest: ## clouds with 50 random profiles, each found out by the probe
	@hack/need rust
	@$(cargo) test --quiet --package ess-emulator-probe --test selftest -- --nocapture

lint: ## formatting, clippy, what is generated, dependency rules, circles of files, planted faults, third-party code, the book, shell scripts
	@hack/need rust python
	@echo "== formatting"; cargo fmt --all --check
	@echo "== clippy"; $(cargo) clippy --workspace --all-targets -- -D warnings
	@echo "== dependency rules"; hack/dependency-rules
	@echo "== circles of files"; hack/module-circles
	@echo "== third-party code"; hack/third-party check
	@echo "== annotations of the chart"; hack/chart-annotations check
	@echo "== places of planted faults"; hack/mutants check
	@echo "== the programs without the features of the tests"; $(cargo) check --package ess-rollout --package ess-emulator-cli --bins
	@echo "== generated CRDs"; $(build) --quiet; hack/crds check "$(target)/debug/ess-rollout"
	@echo "== the book"; hack/book "$(target)/book"
	@echo "== shell scripts"; if command -v shellcheck >/dev/null; then shellcheck $$(grep -lE '^#!.*bash' hack/* .ci/run); else echo "shellcheck is not installed: skipped"; fi

# SCALE=1 measures many updates at once and writes docs/scale.md; SCALE='100 300' or SCALE='throttled finished' a part of that,
# and prints it.
bench: ## measure memory, size, writes and latencies of the release binary
	@hack/need rust go
	@hack/control-plane >/dev/null & control_plane=$$!; \
	$(cargo) build --release --package ess-rollout --package ess-emulator-cli --bins; \
	$(cargo) build --profile plugin --package ess-rollout-plugin --bins; \
	wait $$control_plane
	@[ -n "$(SCALE)" ] || $(cargo) bench --package ess-emulator-cli --bench emulator
	@SCALE="$(SCALE)" KUBECTL_ESS_ROLLOUT="$(abspath $(target))/plugin/kubectl-ess_rollout" $(cargo) bench --package ess-rollout $(if $(SCALE),--bench scale,--bench operator)

# DIST_URL=https://… is where the archives of the release will be: the krew manifest names it.
dist: ## static programs of operator, plugin and emulator, archives, bills of materials, krew manifest and checksums in target/dist, checked
	@hack/need rust go python musl
	@hack/dist "$(target)/dist"

crds: ## write crds/, the chart's copy, the API reference and the list of the fields of the statuses from the types
	@hack/need rust
	@fields=$$(mktemp); trap 'rm -f "$$fields"' EXIT; \
	$(cargo) run --quiet --package ess-rollout-api --example status-fields >"$$fields"; \
	cat "$$fields" >crates/api/src/status_fields.txt
	@$(build)
	@hack/crds write "$(target)/debug/ess-rollout"

metrics: ## write the list of metrics in docs/metrics.md from the code
	@hack/need rust
	@UPDATE_DOCS=1 $(cargo) test --quiet --workspace --lib the_documentation_has_the_list

emulator-api: ## write the list of actions and parameters in docs/emulator-api.md from the code
	@hack/need rust
	@UPDATE_DOCS=1 $(cargo) test --quiet --workspace --test behaviour the_page_has_the_list

book: ## build the documentation as a book in target/book, and check its links
	@hack/need rust python
	@hack/book "$(target)/book"

control-plane: ## print the directory with etcd, kube-apiserver, kube-controller-manager, kubectl
	@hack/need go
	@hack/control-plane

image: ## build the container image with docker (or DOCKER=podman)
	@command -v $(or $(DOCKER),docker) >/dev/null || { echo "missing: $(or $(DOCKER),docker): https://docs.docker.com/engine/install/, or DOCKER=podman" >&2; exit 1; }
	$(or $(DOCKER),docker) build --tag ess-rollout:0.1.0 .

emulator-image: ## build the container image of the emulated cloud, the same way
	@command -v $(or $(DOCKER),docker) >/dev/null || { echo "missing: $(or $(DOCKER),docker): https://docs.docker.com/engine/install/, or DOCKER=podman" >&2; exit 1; }
	$(or $(DOCKER),docker) build --target ess-emulator --tag ess-emulator:0.1.0 .
