package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// These forward gRPC and know nothing of its messages. Each has as many workers as there are cores, reuses its
// connections to the backend, and logs no calls; the rest is as it comes.

// nginxConfig lets connections carry any number of requests: nginx closes them after a thousand if it is not told
// otherwise, and h2load counts what it loses by that as failed.
const nginxConfig = `daemon off;
worker_processes {workers};
error_log stderr error;
pid {folder}/nginx.pid;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi;
  uwsgi_temp_path {folder}/nginx-uwsgi;
  scgi_temp_path {folder}/nginx-scgi;
  keepalive_requests 1000000000;
  upstream backend {
    server {backend};
    keepalive 64;
    keepalive_requests 1000000000;
  }
  server {
    listen {listen} http2;
    location / { grpc_pass grpc://backend; }
  }
}
`

const haproxyConfig = `global
  nbthread {workers}
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend grpc
  bind {listen} proto h2
  default_backend backend
backend backend
  server backend {backend} proto h2
`

func (f *field) startNginx() ([]*contender, error) {
	return f.startProxy("nginx", "nginx, grpc_pass", nginxConfig, func(config, _ string) []string { return []string{"-c", config} })
}

func (f *field) startHAProxy() ([]*contender, error) {
	return f.startProxy("haproxy", "haproxy", haproxyConfig, func(config, _ string) []string { return []string{"-db", "-f", config} })
}

// startNghttpx has all settings on the command line; the configuration is empty, so that no other one is read.
func (f *field) startNghttpx() ([]*contender, error) {
	return f.startProxy("nghttpx", "nghttpx", "", func(config, listen string) []string {
		return []string{"--conf", config, "--workers", fmt.Sprint(runtime.GOMAXPROCS(0)), "--log-level", "ERROR",
			"--frontend", comma(listen) + ";no-tls", "--backend", comma(f.backend) + ";;proto=h2"}
	})
}

// startProxy runs a program of the operating system's that forwards gRPC.
func (f *field) startProxy(name, title, config string, args func(config, listen string) []string) ([]*contender, error) {
	program, err := installed(name)
	if err != nil {
		return nil, err
	}
	addresses, err := free(1)
	if err != nil {
		return nil, err
	}
	filled := strings.NewReplacer("{workers}", fmt.Sprint(runtime.GOMAXPROCS(0)), "{folder}", f.folder,
		"{listen}", addresses[0], "{backend}", f.backend).Replace(config)
	file := filepath.Join(f.folder, name+".conf")
	if err := os.WriteFile(file, []byte(filled), 0o600); err != nil {
		return nil, err
	}
	p, err := f.start(addresses[0], program, args(file, addresses[0])...)
	return []*contender{{name: name, title: title, grpc: addresses[0], process: p}}, err
}

// installed finds a server, which Debian puts where the PATH of ordinary users does not lead.
func installed(name string) (string, error) {
	for _, path := range []string{name, "/usr/sbin/" + name} {
		if found, err := exec.LookPath(path); err == nil {
			return found, nil
		}
	}
	return "", fmt.Errorf("it is not installed")
}

// comma is an address as nghttpx has it.
func comma(address string) string { return strings.Replace(address, ":", ",", 1) }
