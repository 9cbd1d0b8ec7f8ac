# The comparison with peers, included by the Makefile at the root. It is no part of `make test`. bench/ is a Go module of
# its own, so that no peer is a dependency of the product. It wants Linux; what it loads with is installed where apt-get
# is there, and a peer that cannot be installed is left out.

BENCH := .build/bench
BENCHFLAGS ?=

.PHONY: bench bench-programs bench-deps bench-test bench-go

## bench: measure Gatehouse and its peers side by side, and write bench/RESULTS.md (BENCHFLAGS="-rounds 3 -scenarios get")
bench: bench-deps bench-programs
	@$(MAKE) $(ENVOY_VENV)/installed || echo "Envoy cannot be installed here: it is left out"
	cd bench && $(CURDIR)/$(BENCH)/bench -programs $(CURDIR)/$(BENCH) -results RESULTS.md \
		-envoy "$$(ls $(CURDIR)/$(ENVOY_VENV)/lib/python3*/site-packages/envoy/_bin/envoy 2>/dev/null)" $(BENCHFLAGS)

bench-programs:
	@mkdir -p $(BENCH)
	$(GO) build -buildvcs=auto -o $(BENCH)/gatehouse ./cmd/gatehouse
	cd bench && $(GO) build -o $(CURDIR)/$(BENCH)/ ./...

# What is there already is left alone.
bench-deps:
	@missing=; \
	command -v wrk >/dev/null || missing="$$missing wrk"; \
	command -v h2load >/dev/null || missing="$$missing nghttp2-client"; \
	if [ -n "$$missing" ]; then \
		apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $$missing; \
	fi

## bench-test: vet and test the comparison itself
bench-test:
	cd bench && $(GO) vet ./... && $(GO) tool -modfile=../tools/go.mod staticcheck ./... && $(GO) test ./...

## bench-go: in-process benchmarks of the hot path
bench-go:
	$(GO) test -run '^$$' -bench . -benchmem ./rpc/... ./transcoder/... ./interceptors/... ./gateway/...
