// Package storetest is the contract test of a registry store. Read [Run] first.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	registryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/registry/v1"
	"github.com/gatehouse-gateway/gatehouse/registry/store"
)

// Place is somewhere that a Revision is kept.
type Place struct {
	// Open opens a Store on the place. The test closes one before it opens the next, unless Shared.
	Open func(t testing.TB) store.Store
	// Shared says that several Stores may be open on the place at once, as several gateways do with a shared store.
	Shared bool
}

// Run checks everything that store.Store promises. Each call of place returns another place, with nothing in it.
func Run(t *testing.T, place func(t *testing.T) Place) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, p Place)
	}{
		{"EmptyPlaceHasRevisionZero", empty},
		{"LoadReturnsWhatWasSaved", roundTrip},
		{"RevisionOutlivesTheStore", reopen},
		{"SaveOfAnotherRevisionIsConflict", conflict},
		{"OneOfManySavesWins", race},
		{"EndedContextChangesNothing", endedContext},
		{"WatchSeesSaves", watch},
		{"WatchEndsWithContextAndStore", watchEnds},
		{"ClosedStoreSaysSo", closed},
		{"StoresShareAPlace", shared},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, place(t)) })
	}
}

// Revision returns a Revision with the given number and about size bytes, so that a half of it is not mistaken for a
// whole one: see Whole.
func Revision(number int64, size int) *registryv1.Revision {
	content := strings.Repeat(fmt.Sprintf("// revision %d\n", number), size/16+1)
	path := fmt.Sprintf("acme/v1/r%d.proto", number)
	return &registryv1.Revision{
		Number: number,
		Modules: []*registryv1.Module{{
			Module:      "acme/orders",
			Files:       []*registryv1.File{{Path: path, Content: content}},
			Backend:     fmt.Sprintf("127.0.0.1:%d", number),
			PublishTime: &timestamppb.Timestamp{Seconds: number},
		}},
		Descriptors: []byte("descriptors of " + path),
	}
}

// Whole fails the test unless r is all of a Revision made by the function of that name, or has number 0.
func Whole(t testing.TB, r *registryv1.Revision) {
	t.Helper()
	if r.GetNumber() == 0 {
		if len(r.GetModules()) != 0 {
			t.Errorf("revision 0 has %d modules", len(r.GetModules()))
		}
		return
	}
	if len(r.GetModules()) != 1 || len(r.GetModules()[0].GetFiles()) != 1 {
		t.Fatalf("revision %d has modules %v", r.GetNumber(), r.GetModules())
	}
	want := Revision(r.GetNumber(), 0)
	line := []byte(want.GetModules()[0].GetFiles()[0].GetContent())
	content := []byte(r.GetModules()[0].GetFiles()[0].GetContent())
	if n := bytes.Count(content, line); n*len(line) != len(content) {
		t.Errorf("revision %d has content of another one", r.GetNumber())
	}
	if !bytes.Equal(r.GetDescriptors(), want.GetDescriptors()) {
		t.Errorf("revision %d has %q", r.GetNumber(), r.GetDescriptors())
	}
}

func empty(t *testing.T, p Place) {
	s := open(t, p)
	if r := load(t, s); r.GetNumber() != 0 || len(r.GetModules()) != 0 {
		t.Errorf("an empty place has %v", r)
	}
}

func roundTrip(t *testing.T, p Place) {
	s := open(t, p)
	for number, size := range []int{10, 100_000, 8 << 20, 10} {
		next := Revision(int64(number)+1, size)
		kept := proto.Clone(next)
		save(t, s, next)
		if !proto.Equal(next, kept) {
			t.Fatal("Save changed the revision that it borrowed")
		}
		if got := load(t, s); !proto.Equal(got, next) {
			t.Fatalf("revision %d (%d bytes) came back as another one", next.GetNumber(), size)
		}
	}
}

func reopen(t *testing.T, p Place) {
	s := p.Open(t)
	next := Revision(1, 1000)
	save(t, s, next)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
	s = open(t, p)
	if got := load(t, s); !proto.Equal(got, next) {
		t.Errorf("after opening again: %v", got)
	}
	save(t, s, Revision(2, 10)) // it knows which number to expect
}

func conflict(t *testing.T, p Place) {
	s := open(t, p)
	first := Revision(1, 10)
	save(t, s, first)
	for _, expect := range []int64{0, 2, -1} {
		if err := s.Save(t.Context(), Revision(expect+1, 10), expect); !errors.Is(err, store.ErrConflict) {
			t.Errorf("expecting %d while 1 is stored: %v", expect, err)
		}
	}
	if got := load(t, s); !proto.Equal(got, first) {
		t.Errorf("a refused Save changed the store: %v", got)
	}
}

func race(t *testing.T, p Place) {
	const rounds, writers = 5, 4
	s := open(t, p)
	for number := range int64(rounds) {
		errs := make([]error, writers)
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() { errs[w] = s.Save(t.Context(), Revision(number+1, 10_000*(w+1)), number) })
			wg.Go(func() {
				if r, err := s.Load(t.Context()); err == nil {
					Whole(t, r)
				} else {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			switch {
			case err == nil:
				won++
			case !errors.Is(err, store.ErrConflict):
				t.Error(err)
			}
		}
		if won != 1 {
			t.Errorf("round %d: %d of %d saves won", number, won, writers)
		}
	}
}

func endedContext(t *testing.T, p Place) {
	s := open(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Save(ctx, Revision(1, 10), 0); !errors.Is(err, context.Canceled) {
		t.Errorf("Save: %v", err)
	}
	if _, err := s.Load(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Load: %v", err)
	}
	if r := load(t, s); r.GetNumber() != 0 {
		t.Errorf("revision %d was stored", r.GetNumber())
	}
}

func watch(t *testing.T, p Place) {
	s := open(t, p)
	if err := s.Watch(t.Context(), 7); err != nil {
		t.Fatalf("number differs already: %v", err)
	}
	const saves = 3
	seen := make(chan error)
	for range 2 {
		go func() {
			var number int64
			for number < saves {
				if err := s.Watch(t.Context(), number); err != nil {
					seen <- err
					return
				}
				r, err := s.Load(t.Context())
				if err == nil && r.GetNumber() <= number {
					err = fmt.Errorf("woke up for revision %d after %d", r.GetNumber(), number)
				}
				if err != nil {
					seen <- err
					return
				}
				number = r.GetNumber()
			}
			seen <- nil
		}()
	}
	for number := range int64(saves) {
		save(t, s, Revision(number+1, 10))
	}
	for range 2 {
		if err := <-seen; err != nil {
			t.Error(err)
		}
	}
}

func watchEnds(t *testing.T, p Place) {
	s := open(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	wait := watchers(ctx, t, s)
	cancel()
	wait(context.Canceled)
	wait = watchers(t.Context(), t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wait(store.ErrClosed)
}

// watchers starts many Watches, so that some of them surely wait when it returns, and returns what waits for all of
// them to end with an error.
func watchers(ctx context.Context, t *testing.T, s store.Store) (wait func(error)) {
	const n = 50
	about, ended := make(chan bool), make(chan error)
	for range n {
		go func() {
			about <- true
			ended <- s.Watch(ctx, 0)
		}()
	}
	for range n {
		<-about
	}
	return func(want error) {
		for range n {
			if err := <-ended; !errors.Is(err, want) {
				t.Errorf("Watch: %v, not %v", err, want)
			}
		}
	}
}

func closed(t *testing.T, p Place) {
	s := p.Open(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Load: %v", err)
	}
	if err := s.Save(t.Context(), Revision(1, 10), 0); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Save: %v", err)
	}
	if err := s.Watch(t.Context(), 0); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Watch: %v", err)
	}
}

func shared(t *testing.T, p Place) {
	if !p.Shared {
		t.Skip("one store at a time")
	}
	a, b := open(t, p), open(t, p)
	woken := make(chan error)
	go func() { woken <- b.Watch(t.Context(), 0) }()
	save(t, a, Revision(1, 10))
	if err := <-woken; err != nil {
		t.Error(err)
	}
	if r := load(t, b); r.GetNumber() != 1 {
		t.Errorf("the other store has revision %d", r.GetNumber())
	}
	if err := b.Save(t.Context(), Revision(1, 10), 0); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a Save over the other store's: %v", err)
	}
	save(t, b, Revision(2, 10))
}

// open opens a Store that is closed when the test ends.
func open(t *testing.T, p Place) store.Store {
	t.Helper()
	s := p.Open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func load(t *testing.T, s store.Store) *registryv1.Revision {
	t.Helper()
	r, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// save saves next as the successor of the revision before it.
func save(t *testing.T, s store.Store, next *registryv1.Revision) {
	t.Helper()
	if err := s.Save(t.Context(), next, next.GetNumber()-1); err != nil {
		t.Fatalf("revision %d: %v", next.GetNumber(), err)
	}
}
