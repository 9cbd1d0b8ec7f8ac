package registry_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-gateway/gatehouse/registry"
)

// publisherEnv names the folder to which this test program, started again, publishes until it is killed.
const publisherEnv = "GATEHOUSE_TEST_PUBLISHER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(publisherEnv); dir != "" {
		fmt.Fprintln(os.Stderr, publishForever(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// TestKilledPublisherLeavesTheOldOrTheNewRevision kills a publisher at random moments. What it leaves must load, and
// be the revision that was last reported, or the one after it, whole.
func TestKilledPublisherLeavesTheOldOrTheNewRevision(t *testing.T) {
	const rounds = 15
	dir := t.TempDir()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	last := int64(0)
	for round := range rounds {
		told := max(last, killPublisher(t, dir, time.Duration(random.IntN(150))*time.Millisecond, round == 0))
		s, err := registry.OpenStore(dir)
		if err != nil {
			t.Fatal(err)
		}
		r := newOn(t, s)
		last = r.Current().GetNumber()
		if last != told && last != told+1 {
			t.Errorf("revision %d was published, and %d is there", told, last)
		}
		for _, m := range r.Current().GetModules() {
			for _, file := range m.GetFiles() {
				if want := fmt.Sprintf("message R%d ", last); !strings.Contains(file.GetContent(), want) {
					t.Errorf("revision %d: %s is of another one", last, file.GetPath())
				}
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d rounds, %d revisions", rounds, last)
	if last == 0 {
		t.Error("nothing was ever published: the test shows nothing")
	}
}

// killPublisher runs a publisher, kills it after some time, and returns the number that it last reported. In an empty dir
// the time begins with the first revision: a slow machine might never come to one.
func killPublisher(t *testing.T, dir string, after time.Duration, empty bool) (told int64) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	publisher := exec.CommandContext(ctx, os.Args[0]) // killed by SIGKILL when ctx ends
	publisher.Env = append(os.Environ(), publisherEnv+"="+dir)
	publisher.Stderr = os.Stderr
	out, err := publisher.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := publisher.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan() // it is open, from now on it publishes
	if empty {
		lines.Scan()
		if _, err := fmt.Sscanf(lines.Text(), "published %d", &told); err != nil {
			t.Fatalf("the publisher says %q: %v", lines.Text(), err)
		}
	}
	kill := time.AfterFunc(after, cancel)
	defer kill.Stop()
	for lines.Scan() {
		if _, err := fmt.Sscanf(lines.Text(), "published %d", &told); err != nil {
			break // cut off
		}
	}
	if err := publisher.Wait(); err == nil || publisher.ProcessState.Exited() {
		t.Fatalf("the publisher ended by itself: %v", err)
	}
	return told
}

func publishForever(dir string) error {
	ctx := context.Background()
	s, err := registry.OpenStore(dir)
	if err != nil {
		return err
	}
	r, err := registry.New(ctx, options(s))
	if err != nil {
		return err
	}
	fmt.Println("open")
	for number := r.Current().GetNumber() + 1; ; number++ {
		text := fmt.Sprintf("syntax = \"proto3\"; package acme.%%s; message R%d {}\n", number) + strings.Repeat("// much text\n", int(number%5)*3_000)
		resp, err := r.Publish(ctx, module("acme/m", "a.proto", fmt.Sprintf(text, "a"), "b.proto", fmt.Sprintf(text, "b")))
		if err != nil {
			return err
		}
		if resp.GetRevision() != number {
			return errors.New("revisions do not count by one")
		}
		fmt.Printf("published %d\n", number)
	}
}
