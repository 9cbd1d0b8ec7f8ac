# Gatehouse. `make help` lists what there is; `make run` shows it working; `make test` runs every test.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GO ?= go
BIN := bin/gatehouse

include tools/generate.mk tools/differential.mk tools/bench.mk tools/conformance.mk

.PHONY: help build run test test-unit test-e2e test-deps test-programs soak lint fuzz vuln clean

## help: list the targets
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST) | sort | awk '{i = index($$0, ": "); printf "  %-16s %s\n", substr($$0, 1, i-1), substr($$0, i+2)}'

## build: compile the binary into bin/
build:
	$(GO) build -o $(BIN) ./cmd/gatehouse

## run: start the demo: a gateway, two backends, and calls to paste
run: build
	@exec $(BIN) demo

## test: install what the tests need, then run all of them with the race detector
test: test-deps test-unit test-e2e

test-unit:
	$(GO) test -race ./...

# The timeout is one for the whole package; go's own, 10 minutes, is near on 2 cores.
# Never from the cache, which does not know the binary that is tested.
test-e2e:
	cd e2e && $(GO) test -race -count=1 -timeout 25m ./...
	cd e2e/conformance && $(GO) test -race -count=1 ./...

## soak: hold 10,000 idle streams of each kind open, and measure what one costs (half an hour; SOAK=1000 for fewer)
SOAK ?= 10000
soak:
	cd e2e && $(GO) test -count=1 -timeout 1h -run '^TestSoak$$' -v . -soak $(SOAK)

# Folders with tests in JavaScript.
NODE_TESTS := e2e/browser e2e/openapi

# What is there already is left alone; apt-get is asked only for what is missing. The race detector needs a C compiler.
test-deps: test-programs $(BUF) $(NODE_TESTS:=/node_modules/.package-lock.json)

%/node_modules/.package-lock.json: %/package-lock.json %/package.json | test-programs
	npm ci --prefix $* --ignore-scripts --no-audit --no-fund
	@touch $@

test-programs:
	@missing=; \
	command -v $$($(GO) env CC) >/dev/null || missing="$$missing gcc libc6-dev"; \
	command -v curl >/dev/null || missing="$$missing curl"; \
	command -v etcd >/dev/null || missing="$$missing etcd-server"; \
	command -v node >/dev/null || missing="$$missing nodejs"; \
	command -v npm >/dev/null || missing="$$missing npm"; \
	command -v chromium >/dev/null || missing="$$missing chromium"; \
	if [ -n "$$missing" ]; then \
		apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $$missing; \
	fi

## lint: go vet, staticcheck, gofmt, buf lint
lint: lint-proto
	@unformatted=$$(gofmt -l $$(git ls-files '*.go' | grep -v '^internal/gen/')); \
		if [ -n "$$unformatted" ]; then echo "run gofmt on:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(TOOL) staticcheck ./...
	cd e2e && $(GO) vet ./... && $(GO) tool -modfile=../tools/go.mod staticcheck ./...
	cd e2e/conformance && $(GO) vet ./... && $(GO) tool -modfile=../../tools/go.mod staticcheck ./...
	cd e2e/h2spec && $(GO) vet ./... && $(GO) tool -modfile=../../tools/go.mod staticcheck ./...

## fuzz: run every fuzz target for FUZZTIME (default 10s)
FUZZTIME ?= 10s
fuzz:
	@$(GO) list -f '{{.ImportPath}} {{.Dir}}' ./... | while read -r pkg dir; do \
		for f in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$$dir"/*_test.go 2>/dev/null | sed 's/^func //'); do \
			echo "== $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) "$$pkg"; \
		done; \
	done

## vuln: look the dependencies up in the vulnerability database (needs the internet)
vuln:
	$(TOOL) govulncheck ./...

## clean: remove what was built
clean:
	rm -rf bin .build
