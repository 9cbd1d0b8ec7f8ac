package front

import "sync"

// Flusher flushes the messages of a stream when there is nothing to add: a slow stream is prompt, and messages that
// come one upon the other leave together. A flush after each costs more than all else that the gateway does to a message.
//
// It flushes in a goroutine of its own, which runs when the one that sends waits for the next message. A Flusher has one
// sender. The zero value with Mu and Flush set is ready.
type Flusher struct {
	// Mu is held by whoever writes to the response, and while Flush runs.
	Mu *sync.Mutex
	// Flush sends what was written.
	Flush func() error

	wake    chan struct{} // nil until there is a second message
	pending bool          // something was written; guarded by Mu, like all below
	begun   bool
	stopped bool
	err     error
}

// Written says that a message was written. The caller holds Mu. It returns why an earlier flush failed.
func (f *Flusher) Written() error {
	if !f.begun { // most likely it is the only one for a while
		f.begun = true
		f.err = f.Flush()
		return f.err
	}
	if f.wake == nil {
		f.wake = make(chan struct{}, 1)
		go f.run(f.wake)
	}
	if !f.pending {
		f.pending = true
		f.wake <- struct{}{}
	}
	return f.err
}

// Stop ends the goroutine: the response is not touched any more. The caller holds Mu, and flushes what is left.
func (f *Flusher) Stop() {
	if f.wake != nil && !f.stopped {
		close(f.wake)
	}
	f.stopped = true
}

func (f *Flusher) run(wake <-chan struct{}) {
	for range wake {
		f.Mu.Lock()
		if f.pending && !f.stopped && f.err == nil {
			f.err = f.Flush()
		}
		f.pending = false
		f.Mu.Unlock()
	}
}
