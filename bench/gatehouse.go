package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
)

// Gatehouse with an empty chain: no authentication, quota or validation; metrics on, which is its default, access log off.
const bareConfig = `access_log: OFF
services:
  - {match: "acme.*", access: PUBLIC}
`

// With the access log, which is on by default, nothing else changes.
const logConfig = `services:
  - {match: "acme.*", access: PUBLIC}
`

// With checks, every call has an API key and costs a token of a bucket that is never empty; the rules are in the schema.
const checksConfig = `access_log: OFF
authn:
  api_keys:
    - {id: bench, secret_sha256: "%x", principal: bench, scopes: [library]}
services:
  - {match: "acme.*", access: AUTHENTICATED, scopes: [library], quota: {limit: 1000000000, period: 1s}}
`

const secret = "not-a-secret-but-as-long-as-one-0123456789"

func (f *field) startGatehouse() ([]*contender, error) {
	public, err := f.gatehouse("gatehouse", bareConfig, f.bare, nil)
	if err != nil {
		return nil, err
	}
	public.title = "**Gatehouse**"
	internal := &contender{
		name: "gatehouse-internal", title: "**Gatehouse**, internal listener", grpc: public.internal,
		metrics: public.metrics, process: public.process,
	}
	return []*contender{&public.contender, internal}, nil
}

func (f *field) startGatehouseChecks() ([]*contender, error) {
	checks, err := f.gatehouse("gatehouse-checks", fmt.Sprintf(checksConfig, sha256.Sum256([]byte(secret))), f.checked, nil)
	if err != nil {
		return nil, err
	}
	checks.title = "**Gatehouse**, with API key, quota and five validation rules"
	checks.headers = [][2]string{{"x-api-key", "bench." + secret}}
	return []*contender{&checks.contender}, nil
}

// startGatehouseLog writes the log to a file, as a container's runtime does. The file is gone with the folder.
func (f *field) startGatehouseLog() ([]*contender, error) {
	file, err := os.Create(filepath.Join(f.folder, "access.log"))
	if err != nil {
		return nil, err
	}
	defer file.Close() // the program has it
	logs, err := f.gatehouse("gatehouse-log", logConfig, f.bare, file)
	if err != nil {
		return nil, err
	}
	logs.title = "**Gatehouse**, with the access log on, to a file"
	logs.only = []string{"get", "post", "grpc"}
	return []*contender{&logs.contender}, nil
}

// listeners is a contender and the address of its internal listener.
type listeners struct {
	contender
	internal string
}

func (f *field) gatehouse(name, config, descriptors string, stdout *os.File) (*listeners, error) {
	addresses, err := free(3)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(f.folder, name+".yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	p, err := f.startTo(stdout, addresses[0], f.program("gatehouse"), "serve", "--config", file, "--descriptors", descriptors,
		"--backend", f.backend, "--listen", addresses[0], "--listen-grpc", addresses[1], "--listen-admin", addresses[2])
	return &listeners{contender{name: name, web: true, rest: addresses[0], grpc: addresses[0], metrics: addresses[2], process: p}, addresses[1]}, err
}
