package quota

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// shards spreads the locks: with 64, sixteen cores rarely meet at one.
const shards = 64

// bucketKey names a bucket: a budget, and either a principal or a network or neither.
type bucketKey struct {
	shape        *shape
	issuer, name string
	network      netip.Addr
}

// buckets is a bounded table of buckets. It is safe for concurrent use.
type buckets struct {
	seed   maphash.Seed
	shards [shards]shard
}

type shard struct {
	mu  sync.Mutex
	lru *simplelru.LRU[bucketKey, *bucket]
	_   [48]byte // keeps the locks on cache lines of their own
}

// newBuckets returns a table of at most about size buckets, at least one per shard.
func newBuckets(size int) *buckets {
	t := &buckets{seed: maphash.MakeSeed()}
	for i := range t.shards {
		lru, err := simplelru.NewLRU[bucketKey, *bucket](max(size/shards, 1), nil)
		if err != nil {
			panic(err) // only for a size below 1
		}
		t.shards[i].lru = lru
	}
	return t
}

// take draws cost tokens from the bucket of k; a bucket that is not there is full. It returns 0, or how long to wait.
func (t *buckets) take(k bucketKey, cost, now uint64) time.Duration {
	s := &t.shards[maphash.Comparable(t.seed, k)%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.lru.Get(k)
	if !ok {
		b = &bucket{tokens: k.shape.burst, at: now}
		s.lru.Add(k, b)
	}
	return b.take(k.shape, cost, now)
}
