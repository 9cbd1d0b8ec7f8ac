#!/bin/bash
# Runs schemathesis against the demo: schemathesis.sh BINARY PROGRAM. It reads the live OpenAPI document and looks for answers that
# this does not have, or that are 5xx.
#
# Two of its checks are left out. positive_data_acceptance: rules in CEL, and what the library itself refuses, are in no schema.
# allow_header_conformance: /v1/orders/0:cancel is also the order "0:cancel", which can be read (docs/semantics.md, 10 and 87).
set -euo pipefail
binary=$1 program=$2
work=$(mktemp -d)
"$binary" demo --listen 127.0.0.1:0 --listen-grpc 127.0.0.1:0 --listen-admin 127.0.0.1:0 > "$work/demo" &
demo=$!
trap 'kill $demo; wait $demo || true; rm -rf "$work"' EXIT
for _ in $(seq 100); do
	grep -q /openapi.json "$work/demo" && break
	sleep 0.1
done
url=$(sed -n 's/^curl \(.*\/openapi.json\)$/\1/p' "$work/demo")
key=$(grep -o "x-api-key: writer[^']*" "$work/demo" | head -1)
cd "$work"
"$program" run "$url" -H "$key" --max-examples "${EXAMPLES:-30}" --seed 1 --request-timeout 5 --no-color \
	--exclude-checks positive_data_acceptance,allow_header_conformance --exclude-path-regex ':watch$'
