# Code generation, included by the Makefile at the root. Everything it runs is pinned: the Go
# plugins in tools/go.mod, buf in tools/package-lock.json. Nothing is asked of a schema registry.
#
# buf comes as an npm package, so generating wants Node (20 is what we use, 18 is enough) with
# npm; where npm is missing and apt-get is there, the target installs both.

BUF := tools/node_modules/.bin/buf
TOOL := go tool -modfile=tools/go.mod
PROTO_INCLUDE := .build/include
PROTO_FRESH := .build/generated
GENERATED := internal/gen e2e/differential/acme e2e/differential/kinds
PROTO_PUBLIC := proto/gatehouse/policy/v1

.PHONY: generate check-generated lint-proto proto-include

## generate: make the Go code of the schemas anew, and the grpc-gateway that tests compare with
generate: $(BUF) proto-include
	@rm -rf $(PROTO_FRESH)
	$(BUF) generate --output $(PROTO_FRESH)
	$(BUF) generate --template buf.gen.gateway.yaml --output $(PROTO_FRESH)
	$(BUF) generate --template buf.gen.kinds.yaml --output $(PROTO_FRESH)
	@# Swapped only when something changed, so that files of deleted schemas go and builds stay cached.
	@for dir in $(GENERATED); do \
		diff -rq $(PROTO_FRESH)/$$dir $$dir >/dev/null 2>&1 || \
			{ mkdir -p $$dir && rm -rf $$dir && mv $(PROTO_FRESH)/$$dir $$dir; }; \
	done
	@cp $(PROTO_FRESH)/$(PROTO_PUBLIC)/*.pb.go $(PROTO_PUBLIC)/
	@rm -rf $(PROTO_FRESH)

## check-generated: fail when the Go code is not what the schemas generate
check-generated: generate
	@git diff --exit-code -- $(GENERATED) $(PROTO_PUBLIC)
	@stray=$$(git ls-files --others --exclude-standard -- $(GENERATED) $(PROTO_PUBLIC)); \
		if [ -n "$$stray" ]; then echo "generated, but not committed:"; echo "$$stray"; exit 1; fi

## lint-proto: judge our own .proto files by the rules in buf.yaml
lint-proto: $(BUF) proto-include
	$(BUF) lint proto
	$(BUF) lint internal/demo/proto

# The .proto text of what our files import (google/api, buf/validate …), printed from the Go
# descriptors that the gateway links, so that the two can never differ.
proto-include:
	@go run ./registry/compile/builtin/export $(PROTO_INCLUDE)

$(BUF): tools/package-lock.json tools/package.json tools/.npmrc
	@command -v npm >/dev/null || { echo "npm is missing: installing nodejs and npm with apt-get" && \
		apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends nodejs npm; }
	npm ci --prefix tools --ignore-scripts
	@touch $(BUF)
