# The comparison with peers, included by the Makefile at the root. It is no part of `make test`. bench/ is a Go module of
# its own, so that no peer is a dependency of the product. It wants Linux; what it loads with is installed where apt-get
# is there, and a peer that cannot be installed is left out.

BENCH := .build/bench
BENCHFLAGS ?=

# The newest that Rust 1.95 builds: 8 wants Rust 1.99.
STRUCTURED_PROXY_VERSION := 7.0.0
STRUCTURED_PROXY := .build/structured-proxy-$(STRUCTURED_PROXY_VERSION)

.PHONY: bench bench-programs bench-deps bench-test bench-go

## bench: measure Gatehouse and its peers side by side, and write bench/RESULTS.md (BENCHFLAGS="-rounds 3 -scenarios get")
bench: bench-deps bench-programs
	@$(MAKE) $(ENVOY_VENV)/installed || echo "Envoy cannot be installed here: it is left out"
	@$(MAKE) $(STRUCTURED_PROXY)/installed || echo "structured-proxy cannot be built here: it is left out"
	cd bench && $(CURDIR)/$(BENCH)/bench -programs $(CURDIR)/$(BENCH) -results RESULTS.md \
		-envoy "$$(ls $(CURDIR)/$(ENVOY_VENV)/lib/python3*/site-packages/envoy/_bin/envoy 2>/dev/null)" \
		-structured-proxy "$$(ls $(CURDIR)/$(STRUCTURED_PROXY)/bin/structured-proxy 2>/dev/null)" $(BENCHFLAGS)

bench-programs:
	@mkdir -p $(BENCH)
	$(GO) build -buildvcs=auto -o $(BENCH)/gatehouse ./cmd/gatehouse
	GOEXPERIMENT=jsonv2 $(GO) test -c -o $(BENCH)/program.test ./transcoder/program # with a tokenizer to compare with
	$(GO) test -c -o $(BENCH)/route.test ./transcoder/route
	cd bench && $(GO) build -o $(CURDIR)/$(BENCH)/ ./...

# Some minutes, once.
$(STRUCTURED_PROXY)/installed:
	rm -rf $(STRUCTURED_PROXY)
	cargo install --quiet --locked --version $(STRUCTURED_PROXY_VERSION) --features cli --root $(STRUCTURED_PROXY) structured-proxy
	@touch $@

# What is there already is left alone, and what apt-get does not have is left out: nobody but wrk and h2load is needed.
# Where services run, Debian also starts the servers that it installs; they are others than those that are measured.
bench-deps:
	@missing=; \
	for need in wrk:wrk h2load:nghttp2-client nginx:nginx haproxy:haproxy nghttpx:nghttp2-proxy perf:linux-perf; do \
		PATH="$$PATH:/usr/sbin" command -v $${need%%:*} >/dev/null || missing="$$missing $${need##*:}"; \
	done; \
	if [ -n "$$missing" ]; then \
		apt-get -q update || true; \
		for package in $$missing; do \
			DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $$package || \
				echo "$$package cannot be installed here"; \
		done; \
	fi

## bench-test: vet and test the comparison itself
bench-test:
	cd bench && $(GO) vet ./... && $(GO) tool -modfile=../tools/go.mod staticcheck ./... && $(GO) test ./...

## bench-go: in-process benchmarks of the hot path
bench-go:
	$(GO) test -run '^$$' -bench . -benchmem ./rpc/... ./transcoder/... ./interceptors/... ./gateway/...
