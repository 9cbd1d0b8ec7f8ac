// Package process starts a program and reads from the operating system what it costs. It needs Linux.
package process

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is a running program with all that it started: nginx and nghttpx work in processes of their own. Its methods
// are for one goroutine.
type Process struct {
	cmd   *exec.Cmd
	log   bytes.Buffer
	ended chan struct{}
}

// Start runs a program. Its standard output goes to a file if there is one, and is kept for errors if not.
func Start(stdout *os.File, path string, args ...string) (*Process, error) {
	p := &Process{cmd: exec.Command(path, args...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	if stdout != nil {
		p.cmd.Stdout = stdout
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a group, so that Stop finds all
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // Stop kills it
		close(p.ended)
	}()
	return p, nil
}

// Stop kills the program, and all that it started, and waits until it is gone.
func (p *Process) Stop() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // it may have ended already
	<-p.ended
}

// PID is the program's own number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Listens waits until something accepts connections at an address. The error has what the program printed if it ended.
func (p *Process) Listens(address string) error {
	for range 200 { // 10 seconds
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended: %s", filepath.Base(p.cmd.Path), strings.TrimSpace(p.log.String()))
		case <-time.After(50 * time.Millisecond):
		}
		if conn, err := net.Dial("tcp", address); err == nil {
			return conn.Close()
		}
	}
	return fmt.Errorf("%s does not listen at %s", filepath.Base(p.cmd.Path), address)
}

// tick is what utime and stime are counted in: USER_HZ, 100 on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// CPU is the time that the program has spent so far, in user code and in the kernel for it.
func (p *Process) CPU() (sum time.Duration, err error) {
	for _, pid := range p.all() {
		stat, err := os.ReadFile(file(pid, "stat"))
		if err != nil {
			return 0, err
		}
		cpu, err := parseStat(string(stat))
		if err != nil {
			return 0, err
		}
		sum += cpu
	}
	return sum, nil
}

// PeakRSS is the most memory that the program has had resident since ResetPeakRSS, in bytes. What processes share is
// counted for each.
func (p *Process) PeakRSS() (sum int64, err error) {
	for _, pid := range p.all() {
		status, err := os.ReadFile(file(pid, "status"))
		if err != nil {
			return 0, err
		}
		peak, err := parsePeak(string(status))
		if err != nil {
			return 0, err
		}
		sum += peak
	}
	return sum, nil
}

// ResetPeakRSS makes PeakRSS start from what is resident now.
func (p *Process) ResetPeakRSS() error {
	for _, pid := range p.all() {
		if err := os.WriteFile(file(pid, "clear_refs"), []byte("5"), 0); err != nil {
			return err
		}
	}
	return nil
}

// all lists the program's process and those below it. Any of its threads may have started one.
func (p *Process) all() []int {
	pids := []int{p.PID()}
	for i := 0; i < len(pids); i++ {
		lists, _ := filepath.Glob(file(pids[i], "task/*/children")) // the pattern is a good one
		for _, list := range lists {
			text, _ := os.ReadFile(list) // the thread may have ended
			for _, child := range strings.Fields(string(text)) {
				if pid, err := strconv.Atoi(child); err == nil {
					pids = append(pids, pid)
				}
			}
		}
	}
	return pids
}

func file(pid int, name string) string { return fmt.Sprintf("/proc/%d/%s", pid, name) }

// parseStat reads fields 14 and 15 of proc_pid_stat(5). The second field, the name, may have spaces and parentheses.
func parseStat(stat string) (time.Duration, error) {
	fields := strings.Fields(stat[strings.LastIndex(stat, ")")+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("not a /proc/PID/stat: %q", stat)
	}
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/PID/stat: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}

// parsePeak reads the line "VmHWM: 1234 kB" of proc_pid_status(5).
func parsePeak(status string) (int64, error) {
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/PID/status has no VmHWM")
}
