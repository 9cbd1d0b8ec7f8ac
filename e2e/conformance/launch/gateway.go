package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// patience is how long the gateway may take until it listens. The runner waits 10 seconds for the whole server.
const patience = 8 * time.Second

// gateway is a running gatehouse.
type gateway struct {
	process   *exec.Cmd
	listening listening
}

// startGateway starts the gateway with what the runner wants and waits until it listens. Files go into dir, which is to
// outlive it.
func startGateway(ctx context.Context, p parts, dir string, w *wanted, target string) (*gateway, error) {
	config, err := configure(p, dir, w, target)
	if err != nil {
		return nil, err
	}
	g := &gateway{process: exec.Command(p.gateway, "serve", "--config", config)}
	stderr, err := g.process.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := g.process.Start(); err != nil {
		return nil, err
	}
	addresses := make(chan string, 1)
	go tell(stderr, p.listener, addresses)
	select {
	case address := <-addresses:
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			_ = g.stop() // the first error counts
			return nil, fmt.Errorf("the gateway does not say where it is: %w", err)
		}
		g.listening = listening{Host: at.Addr().String(), Port: uint32(at.Port()), PEMCert: w.ServerCreds.Cert}
		return g, nil
	case <-ctx.Done():
	case <-time.After(patience):
	}
	_ = g.stop() // the first error counts
	return nil, fmt.Errorf("the gateway does not listen after %v", patience)
}

// stop asks the gateway to end and waits until it has.
func (g *gateway) stop() error {
	_ = g.process.Process.Signal(syscall.SIGTERM) // it may have ended already
	if err := g.process.Wait(); err != nil {
		return fmt.Errorf("the gateway: %w", err)
	}
	return nil
}

var addressOf = map[string]*regexp.Regexp{
	"public":   regexp.MustCompile(`msg=listening public=(\S+)`),
	"internal": regexp.MustCompile(`msg=listening public=\S+ grpc=(\S+)`),
}

// tell passes on what the gateway has to say, but for the address, which is given to the channel.
func tell(stderr io.Reader, listener string, address chan<- string) {
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if m := addressOf[listener].FindStringSubmatch(lines.Text()); m != nil {
			address <- m[1]
			continue
		}
		fmt.Fprintln(os.Stderr, lines.Text())
	}
	_, _ = io.Copy(os.Stderr, stderr) // a line that was too long
}

// configure writes the gateway's configuration. JSON is YAML, too.
func configure(p parts, dir string, w *wanted, target string) (string, error) {
	type object = map[string]any
	config := object{
		"listen": "127.0.0.1:0", "listen_grpc": "127.0.0.1:0", "listen_admin": "127.0.0.1:0",
		"source":   object{"descriptors": p.descriptors},
		"backends": []object{{"target": target}},
		// Without a time limit of the gateway's own: the reference server tells what deadline it was given.
		"services":   []object{{"match": "connectrpc.conformance.v1.ConformanceService", "access": "PUBLIC", "timeout": "0s"}},
		"access_log": "OFF",
		// The suite compares errors with those of a server that adds nothing.
		"own_error_details": "OMIT",
		"limits":            object{"body_bytes_max": w.MessageReceiveLimit, "drain": "1s"},
	}
	if w.UseTLS {
		tls := object{"cert_file": filepath.Join(dir, "cert.pem"), "key_file": filepath.Join(dir, "key.pem")}
		files := map[string][]byte{"cert.pem": w.ServerCreds.Cert, "key.pem": w.ServerCreds.Key}
		if len(w.ClientTLSCert) > 0 {
			tls["client_ca_file"] = filepath.Join(dir, "client.pem")
			files["client.pem"] = w.ClientTLSCert
		}
		for name, data := range files {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				return "", err
			}
		}
		config["http3"] = w.HTTPVersion == "HTTP_VERSION_3"
		config[map[string]string{"public": "tls", "internal": "tls_grpc"}[p.listener]] = tls
	}
	text, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "gatehouse.yaml")
	return path, os.WriteFile(path, text, 0o600)
}
