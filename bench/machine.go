package main

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// machine is what the measurements ran on. It has no names and no paths.
type machine struct {
	cores           int
	cpu, kernel, os string
	load            string // average of the minute before
}

func machineNow() machine {
	return machine{
		cores: runtime.GOMAXPROCS(0), os: runtime.GOOS + "/" + runtime.GOARCH,
		cpu: valueIn("/proc/cpuinfo", "model name"), kernel: firstWord("/proc/sys/kernel/osrelease"), load: firstWord("/proc/loadavg"),
	}
}

// busy reports whether something else ran before the measurements began.
func (m machine) busy() bool {
	var average float64
	_, err := fmt.Sscan(m.load, &average)
	return err != nil || average > float64(m.cores)/4
}

// valueIn is the value of the first line "key : value" of a file of the kernel's; "unknown" without one.
func valueIn(path, key string) string {
	text, _ := os.ReadFile(path) // no file, no value
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func firstWord(path string) string {
	text, _ := os.ReadFile(path) // no file, no value
	if words := strings.Fields(string(text)); len(words) > 0 {
		return words[0]
	}
	return "unknown"
}

// versions says what was measured, and with what.
func versions(o options, ran func(name string) bool) (lines []string) {
	if info, err := buildinfo.ReadFile(o.programs + "/gatehouse"); err == nil {
		lines = append(lines, "Gatehouse "+revision(info)+", "+info.GoVersion+", "+dependency(info, "google.golang.org/grpc", "grpc-go"))
	}
	for _, peer := range [][]string{
		{"grpc-gateway", "grpcgateway", "github.com/grpc-ecosystem/grpc-gateway/v2"},
		{"vanguard", "vanguard", "connectrpc.com/vanguard"},
		{"dynamic", "dynamic", "google.golang.org/protobuf"},
	} {
		if info, err := buildinfo.ReadFile(o.programs + "/" + peer[1]); err == nil && ran(peer[0]) {
			lines = append(lines, dependency(info, peer[2], peer[2]))
		}
	}
	if ran("envoy") {
		lines = append(lines, "Envoy "+envoyVersion(o.envoy))
	}
	if ran("structured-proxy") {
		lines = append(lines, output(o.structuredProxy, "--version"))
	}
	for _, proxy := range [][]string{{"nginx", "-v"}, {"haproxy", "-v"}, {"nghttpx", "--version"}} {
		if program, err := installed(proxy[0]); err == nil && ran(proxy[0]) {
			lines = append(lines, output(program, proxy[1]))
		}
	}
	return append(lines, output("wrk", "-v"), output("h2load", "--version"))
}

func revision(info *buildinfo.BuildInfo) string {
	found := "of an unknown revision"
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			found = fmt.Sprintf("%.12s", s.Value)
		case s.Key == "vcs.modified" && s.Value == "true":
			found += " with changes"
		}
	}
	return found
}

func dependency(info *buildinfo.BuildInfo, path, name string) string {
	for _, d := range info.Deps {
		if d.Path == path {
			return name + " " + d.Version
		}
	}
	return name
}

// envoyVersion is the second part of "… version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL".
func envoyVersion(program string) string {
	parts := strings.Split(output(program, "--version"), "/")
	if len(parts) < 3 {
		return "of an unknown version"
	}
	return parts[len(parts)-4]
}

// output is the first line that a program prints, whatever its exit status: wrk -v ends with 1.
func output(program string, args ...string) string {
	text, _ := exec.Command(program, args...).CombinedOutput()
	first, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	first, _, _ = strings.Cut(first, " Copyright")
	first, _, _ = strings.Cut(first, " - https") // haproxy's address
	return first
}
