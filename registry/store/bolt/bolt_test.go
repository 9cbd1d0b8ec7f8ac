package bolt_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-gateway/gatehouse/registry/store"
	"github.com/gatehouse-gateway/gatehouse/registry/store/bolt"
	"github.com/gatehouse-gateway/gatehouse/registry/store/storetest"
)

// saverEnv names the folder in which this test program, started again, saves revisions until it is killed.
const saverEnv = "GATEHOUSE_TEST_SAVER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(saverEnv); dir != "" {
		fmt.Fprintln(os.Stderr, saveForever(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Place {
		dir := filepath.Join(t.TempDir(), "data")
		return storetest.Place{Open: func(t testing.TB) store.Store { return open(t, dir) }}
	})
}

func TestKilledSaverLeavesAWholeRevision(t *testing.T) {
	const rounds = 20
	dir := t.TempDir()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for round := range rounds {
		told := killSaver(t, dir, time.Duration(random.IntN(120))*time.Millisecond, round == 0)
		s, err := bolt.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		storetest.Whole(t, r)
		// Either the last Save that was reported, or one more that had no time to report.
		if told != 0 && r.GetNumber() != told && r.GetNumber() != told+1 {
			t.Errorf("revision %d was saved, and %d is there", told, r.GetNumber())
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, dir)
	r, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d rounds, %d revisions", rounds, r.GetNumber())
	if r.GetNumber() == 0 {
		t.Error("nothing was ever saved: the test shows nothing")
	}
}

// killSaver runs a saver, kills it after some time, and returns the number that it last reported. In an empty dir
// the time begins with the first revision: a slow machine might never come to one.
func killSaver(t *testing.T, dir string, after time.Duration, empty bool) (told int64) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	saver := exec.CommandContext(ctx, os.Args[0]) // killed by SIGKILL when ctx ends
	saver.Env = append(os.Environ(), saverEnv+"="+dir)
	saver.Stderr = os.Stderr
	out, err := saver.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := saver.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan() // it is open, from now on it saves
	if empty {
		lines.Scan()
		if _, err := fmt.Sscanf(lines.Text(), "saved %d", &told); err != nil {
			t.Fatalf("the saver says %q: %v", lines.Text(), err)
		}
	}
	kill := time.AfterFunc(after, cancel)
	defer kill.Stop()
	for lines.Scan() {
		if _, err := fmt.Sscanf(lines.Text(), "saved %d", &told); err != nil {
			break // cut off
		}
	}
	if err := saver.Wait(); err == nil || saver.ProcessState.Exited() {
		t.Fatalf("the saver ended by itself: %v", err)
	}
	return told
}

func saveForever(dir string) error {
	ctx := context.Background()
	s, err := bolt.Open(dir)
	if err != nil {
		return err
	}
	current, err := s.Load(ctx)
	if err != nil {
		return err
	}
	fmt.Println("open")
	for number := current.GetNumber(); ; number++ {
		size := int(number%7) * 300_000 // pages are used again in ever another order
		if err := s.Save(ctx, storetest.Revision(number+1, size), number); err != nil {
			return err
		}
		fmt.Printf("saved %d\n", number+1)
	}
}

func TestOpen(t *testing.T) {
	t.Run("LockedFolderIsToldWithinASecond", func(t *testing.T) {
		dir := t.TempDir()
		open(t, dir)
		start := time.Now()
		_, err := bolt.Open(dir)
		if err == nil || !strings.Contains(err.Error(), "another gatehouse uses "+dir) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took > 10*time.Second { // half a second, on a machine with nothing else to do
			t.Errorf("it took %s", took)
		}
	})
	t.Run("FileInPlaceOfTheFolder", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		writeFile(t, file, []byte("x"))
		if _, err := bolt.Open(file); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("ForeignFile", func(t *testing.T) {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, bolt.FileName), []byte(strings.Repeat("not a database\n", 10_000)))
		if _, err := bolt.Open(dir); err == nil || !strings.Contains(err.Error(), "the file is damaged") {
			t.Errorf("got %v", err)
		}
	})
}

func TestDamagedFileIsAnErrorOrHasTheRevision(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for number := range int64(3) {
		if err := s.Save(t.Context(), storetest.Revision(number+1, 20_000), number); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, bolt.FileName))
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	check := func(t *testing.T, file []byte) {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, bolt.FileName), file)
		s, err := bolt.Open(dir)
		if err != nil {
			refused++
			if !strings.Contains(err.Error(), "damaged") {
				t.Errorf("unclear: %v", err)
			}
			return
		}
		defer s.Close()
		r, err := s.Load(t.Context())
		if err != nil {
			t.Errorf("opened, and then: %v", err)
			return
		}
		// With one of its two head pages gone, the revision before is whole, too.
		storetest.Whole(t, r)
	}
	const page = 4096
	for cut := page; cut < len(whole); cut += page {
		t.Run(fmt.Sprintf("CutAt%d", cut), func(t *testing.T) { check(t, whole[:cut]) })
	}
	for at := 0; at < len(whole); at += page / 2 {
		t.Run(fmt.Sprintf("OverwrittenAt%d", at), func(t *testing.T) {
			file := append([]byte(nil), whole...)
			for i := range 32 {
				file[at+i] ^= 0x5a
			}
			check(t, file)
		})
	}
	if refused == 0 {
		t.Error("no damage was ever noticed")
	}
}

func open(t testing.TB, dir string) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func writeFile(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
