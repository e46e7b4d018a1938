# make test        everything, as CI does; installs what the tests need
# make test-fast   without the race detector, browsers and live sites
# make explore     the randomized tests with a new seed; SEED= sets the seed, COUNT= the number
#                  of scenarios of the client
# make bench       heartbeatd's cost and speed compared with minimal servers: thirteen minutes,
#                  on two idle cores
# make build       ./heartbeatd, with the drop-in embedded
# make package     dist/: programs for Linux, macOS and Windows, Debian packages, the plugin as a zip,
#                  SBOMs, checksums
# make deb         of these only the Debian package for this machine, its program and the plugin
# make wordpress   a real WordPress with the plugin and heartbeatd, to try it in a browser;
#                  WORDPRESS='trixie 6.8.7' make wordpress for another version
# make outdated    lists what has a newer version: Go, Go modules and npm packages
# make attack      mutated inputs at every door of heartbeatd; INPUTS= sets their number
# make faults      heartbeatd on three nodes and three NATS servers, while parts of them fail; PAGES=
#                  sets the number of pages, MINUTES= the time
#
# The steps of make test, in order:
#
# make check       gofmt, go vet, staticcheck, builds for darwin and windows, eslint; check-php
# make check-php   php -l and phpcs
# make go-test-race, go-test   the Go tests with and without the race detector
# make fuzz        new inputs for each fuzz target, FUZZ_TIME=10000x of each
# make js-test     the tests of client-js
# make bundle      fails if the built scripts are not those of client-js/src
# make integration browsers, web servers, a live WordPress, a NATS cluster
# make setup       installs what the tests need; setup-go and setup-node only a part

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.NOTPARALLEL:
.PHONY: build package deb attack bench explore faults outdated wordpress test test-fast check check-php go-test go-test-race fuzz js-test bundle integration setup setup-go setup-node

PHP_FILES := $(sort $(shell find integration/wordpress/heartbeatd integration/wordpress/examples -name '*.php'))
JS_TESTS := $(sort $(shell find client-js/test -name '*.test.*js'))
INTEGRATION_TESTS := $(sort $(shell find integration -name node_modules -prune -o -name '*.test.*js' -print))

NODE_TEST := node --test --test-reporter=spec --test-timeout=900000 --test-concurrency=2

build:
	go build ./server/heartbeatd

package:
	@go run ./integration/package

deb:
	@go run ./integration/package -local

wordpress: setup
	@node integration/wordpress/try.mjs

bench:
	@go run ./integration/load
	@go test -run '^$$' -bench . ./integration/load

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

INPUTS ?= 1000000
attack:
	@go run ./integration/attack -inputs $(INPUTS)

PAGES ?= 3000
MINUTES ?= 10
faults:
	@go run ./integration/cluster/faults -pages $(PAGES) -minutes $(MINUTES)

outdated:
	@integration/setup/outdated $(STATICCHECK)

# All other tests use fixed seeds. Add a seed that fails to the list of its test.
SEED ?= $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')
COUNT ?= 1000
explore: export HEARTBEAT_SEED := $(SEED)
explore: setup
	@echo "== HEARTBEAT_SEED=$$HEARTBEAT_SEED"
	@node integration/browser/client/explore.mjs $(COUNT) $$HEARTBEAT_SEED
	@$(NODE_TEST) integration/browser/client/chaos.test.mjs
	@go test -count=1 ./server/wordpress
	@go test -count=1 -run TestRandomSteps ./server

test: setup-go check go-test-race fuzz js-test bundle integration

test-fast: check go-test js-test bundle

check: setup-node check-php
	@echo "== gofmt, go vet, staticcheck, eslint"
	@unformatted=$$(gofmt -l *.go broker client-js/*.go integration internal server transport); \
	if [ -n "$$unformatted" ]; then echo "not formatted by gofmt:"; echo "$$unformatted"; exit 1; fi
	@go vet ./...
	@go run $(STATICCHECK) ./...
	@for os in darwin windows; do GOOS=$$os GOARCH=amd64 CGO_ENABLED=0 go build -trimpath -o /dev/null ./server/heartbeatd; done # make package uses what this compiles
	@npx eslint .

# .phpcs.xml.dist is the ruleset of phpcs.
check-php:
	@echo "== php -l, phpcs"
	@for tool in php phpcs; do command -v $$tool >/dev/null || { \
		echo "make check needs $$tool: run \"integration/setup/install go\" as root, or install the Debian packages php-cli and php-codesniffer" >&2; exit 1; }; done
	@printf '%s\n' $(PHP_FILES) | xargs -n 1 -P 2 php -d display_errors=stderr -d log_errors=0 -l >/dev/null
	@phpcs -q

go-test:
	@echo "== go test"
	@go test ./...

# With HEARTBEATD_INTEGRATION a Go test fails, and does not skip, if a program is missing:
# setup-go has installed them. The tests mostly wait, so three packages run at a time.
go-test-race:
	@echo "== go test -race"
	@HEARTBEATD_INTEGRATION=1 go test -race -timeout 20m -p 3 ./...

# Every fuzz target tries some new inputs. An input that fails is saved in testdata/fuzz; every run
# tries those again. FUZZ_TIME may be a time, too, but then a target may fail with "context deadline
# exceeded" if its time ends while it tries an input.
FUZZ_TIME ?= 10000x
fuzz:
	@echo "== go test -fuzz"
	@set -e; binary=$$(mktemp); trap 'rm -f "$$binary"' EXIT; \
	grep -rl --include='*_test.go' '^func Fuzz' broker server transport | xargs -n 1 dirname | sort -u | while read -r folder; do \
		echo "$$folder"; go test -c -fuzz=Fuzz -o "$$binary" "./$$folder"; \
		(cd "$$folder"; for name in $$("$$binary" -test.list '^Fuzz'); do \
			"$$binary" -test.run '^$$' -test.fuzz "^$$name\$$" -test.fuzztime $(FUZZ_TIME) -test.fuzzcachedir "$$(go env GOCACHE)/fuzz/$$(go list)"; \
		done); \
	done

js-test: setup-node
	@echo "== client-js tests"
	@$(NODE_TEST) $(JS_TESTS)

bundle: setup-node
	@echo "== client-js bundle"
	@node client-js/build.mjs --check

integration: setup
	@echo "== integration tests"
	@node integration/run.mjs $(INTEGRATION_TESTS)

setup-go:
	@integration/setup/install go

setup-node:
	@integration/setup/install node

setup:
	@integration/setup/install
