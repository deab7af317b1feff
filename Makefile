# The daily commands. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Everything below web/ that a build of the page needs is fetched once for each change of its lock file.
WEB_MODULES := web/node_modules/.package-lock.json

.PHONY: help
help: ## List the commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

.PHONY: tools-run
tools-run:
	@packaging/need.sh cargo cc node npm

.PHONY: run
run: tools-run ## Build everything and start Hearth on https://localhost:8443
	cargo build --release --locked
	@exec ./target/release/hearth serve

.PHONY: setup
setup: ## Install what the tests need (with apt, cargo and npm)
	tests/setup.sh

$(WEB_MODULES): web/package-lock.json
	cd web && npm ci --no-audit --no-fund
	@touch $@

.PHONY: gen
gen: ## Write again what is generated: the wire types of the page and config.example.toml
	rm -f web/src/wire/*.ts
	@# Without the page: its build would need the very types that are about to be written.
	cargo test --quiet --no-default-features --lib export_bindings > /dev/null
	cargo run --quiet --no-default-features -- config example > config.example.toml

.PHONY: fmt
fmt: ## Format the Rust code
	cargo fmt

.PHONY: check
check: $(WEB_MODULES) ## Format, lints, types, and that generated files are current
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --no-default-features --lib --bins -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --locked --no-deps --document-private-items --quiet
	cd web && npm run --silent check
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; mkdir "$$fresh/wire"; \
	TS_RS_EXPORT_DIR="$$fresh/wire" cargo test --quiet --locked --lib export_bindings > /dev/null; \
	cargo run --quiet --locked -- config example > "$$fresh/config.example.toml"; \
	{ diff -r web/src/wire "$$fresh/wire" && diff config.example.toml "$$fresh/config.example.toml"; } \
		|| { echo "Generated files are not current: run 'make gen'." >&2; exit 1; }

.PHONY: unit
unit: $(WEB_MODULES) ## Unit, property, contract, API, relay and fault tests
	cd web && npm run --silent test
	@tests/skipped.sh forget
	cargo nextest run --locked
	cargo test --quiet --locked --doc
	@tests/skipped.sh tell

.PHONY: faults
faults: ## Kill, damage and fill up the real server a thousand times and more; ROUNDS=n for n rounds of the others
	HEARTH_FAULT_ROUNDS=1000 cargo nextest run --locked --profile faults --test faults -E 'test(/::r1_/)'
	HEARTH_FAULT_ROUNDS=1500 cargo nextest run --locked --profile faults --test faults -E 'test(/::r2_/)'
	HEARTH_FAULT_ROUNDS=$(or $(ROUNDS),60) cargo nextest run --locked --profile faults --test faults -E 'not test(/::r[12]_/)'
	@# Builds a later version, which upgrades the data of this one.
	cargo nextest run --locked --profile faults --test faults --run-ignored only -E 'test(/::r40_/)'
	@# A machine that sleeps for minutes.
	HEARTH_FAULT_SLEEP=$(or $(SLEEP),180) cargo nextest run --locked --profile faults --test api -E 'test(/::r14_/)'
	$(MAKE) --no-print-directory foreign

.PHONY: foreign
foreign: ## Let coturn and its tools speak with Hearth, and wait for what expires only after minutes
	tests/setup.sh coturn
	cargo nextest run --locked --profile faults --test api --run-ignored only -E 'test(/::t3_coturn_/)'
	cargo nextest run --locked --profile faults --test relay --run-ignored only -E 'test(/^tools::/) + test(/::t3_an_allocation_/) + test(/::a_port_in_reserve_/)'

.PHONY: fuzz
fuzz: ## Feed ten million made-up inputs to the parsers and the relay's core; FUZZ_RUNS=n for n each
	tests/fuzz/run.sh $(FUZZ_RUNS)

.PHONY: fuzz-corpus
fuzz-corpus: ## The same, and keep in tests/fuzz/corpus what was found, minimised
	tests/fuzz/run.sh --keep $(FUZZ_RUNS)

.PHONY: e2e
e2e: $(WEB_MODULES) ## Browser tests: Chromium against the binary that 'make run' builds
	cargo build --release --locked
	node tests/page_inside.mjs target/release/hearth
	cd web && HEARTH_BIN=../target/release/hearth npx --no-install playwright test --project=behaviour

.PHONY: networks
networks: $(WEB_MODULES) ## Browser tests behind NAT and firewalls, in network namespaces (Linux, as root)
	cargo build --release --locked
	HEARTH_BIN=target/release/hearth tests/networks/run.sh

.PHONY: test
test: setup ## Everything that must be green
	$(MAKE) --no-print-directory check
	$(MAKE) --no-print-directory unit
	$(MAKE) --no-print-directory e2e
	$(MAKE) --no-print-directory networks

.PHONY: static
static: ## Build a program that runs on any Linux, into target/TRIPLE/release; ARCH=arm64 or armhf for a Raspberry Pi
	packaging/static.sh $(ARCH)

.PHONY: archive
archive: ## Make a file for any other Linux, the program with its units, into target/archive; ARCH as above
	packaging/archive.sh $(ARCH)

.PHONY: deb
deb: ## Make a package for Debian, Ubuntu and Raspberry Pi OS, into target/debian; ARCH as above
	packaging/deb.sh $(ARCH)

.PHONY: test-packaging
test-packaging: ## Try the static program, the image, the package and the archive, each in surroundings of its own (Linux, as root)
	@tests/skipped.sh forget
	tests/packaging/setup.sh
	tests/packaging/static.sh
	tests/packaging/image.sh
	tests/packaging/deb.sh
	tests/packaging/by_hand.sh
	@tests/skipped.sh tell

.PHONY: test-arm64 test-armhf
test-arm64: ## Build for a Raspberry Pi with a 64-bit system and try it under an emulator (Linux, as root)
test-armhf: ## The same for a 32-bit system
test-arm64 test-armhf: test-%:
	tests/packaging/setup.sh $*
	tests/packaging/emulated.sh $*

.PHONY: deny
deny: ## Check licences and origins of what we depend on (installs cargo-deny if it is missing)
	@cargo deny --version >/dev/null 2>&1 || cargo install --locked --quiet cargo-deny
	cargo deny --locked check licenses bans sources

.PHONY: figures
figures: $(WEB_MODULES) ## Measure the real binary; writes target/figures.json
	cargo build --release --locked
	node benches/figures.mjs

.PHONY: bench-relay
bench-relay: $(WEB_MODULES) ## Compare the relay with coturn and turn-server; BENCH_ARGS="--quick" is short, "--help" tells more
	benches/relay/install.sh
	cargo bench --locked --bench relay -- $(BENCH_ARGS)

.PHONY: soak
soak: $(WEB_MODULES) ## Keep the relay busy for MINUTES=30 and see whether anything is lost or grows
	cargo bench --locked --bench relay -- --soak $(or $(MINUTES),30)

.PHONY: screenshots
screenshots: $(WEB_MODULES) ## Take pictures of every page, both themes, desktop and phone, into target/screenshots
	cargo build --locked
	cd web && HEARTH_SCREENSHOTS=../target/screenshots npx --no-install playwright test --project=screenshots

.PHONY: dev
dev: ## A debug server that reads the page from web/dist
	cargo run -- serve
