package authn

import (
	"bytes"
	"context"
	"crypto"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwk"
	"google.golang.org/grpc/codes"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

const (
	// keysMax bounds the keys of one issuer.
	keysMax = 100
	// refetchInterval is the shortest time between two reads of a URL that calls can cause.
	refetchInterval = 30 * time.Second
	// refreshInterval is how often a URL is read without anybody asking, and retryInterval after a failure.
	refreshInterval, retryInterval = 5 * time.Minute, 5 * time.Second
	// fileInterval is how often a file is looked at.
	fileInterval = time.Second
	// fetchTimeout bounds one read of a URL, and the wait of a call for it.
	fetchTimeout = 5 * time.Second
)

// keySet is the public keys of one issuer, read from a file or URL and kept fresh by run. When a read fails, the keys
// of the last good one stay. It is safe for concurrent use.
type keySet struct {
	load   func(context.Context) ([]byte, error) // nil data: unchanged
	remote bool
	now    func() time.Time
	log    *slog.Logger
	asked  chan struct{}

	keys atomic.Pointer[[]*signingKey] // nil until the first good read

	mu      sync.Mutex
	loading bool
	tried   time.Time
	loaded  chan struct{} // closed when the read that runs, or the next, is over
}

// signingKey is one key of a set. The value stays the same while the key stays in the set.
type signingKey struct {
	kid, alg string
	thumb    string
	public   jwk.Key
	gone     atomic.Bool
}

// newKeySet reads a file at once; a URL is read when run starts, and calls that come before wait for it.
func newKeySet(cfg *configv1.Jwt, now func() time.Time, log *slog.Logger) (*keySet, error) {
	s := &keySet{now: now, log: log.With("issuer", cfg.GetIssuer()), asked: make(chan struct{}, 1), loaded: make(chan struct{})}
	if cfg.GetJwksUrl() != "" {
		fetch, err := newFetch(cfg.GetJwksUrl())
		s.load, s.remote, s.loading = fetch, true, true
		return s, err
	}
	read := newFile(cfg.GetJwksFile())
	s.load = func(context.Context) ([]byte, error) { return read() }
	data, err := read()
	if err != nil {
		return nil, err
	}
	return s, s.replace(data)
}

// run reads again when it is time or when somebody asks, until ctx ends.
func (s *keySet) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	if !s.remote {
		timer.Reset(fileInterval)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.asked:
			if !s.due() { // a read that came in between has answered it
				continue
			}
		}
		timer.Reset(s.refresh(ctx))
	}
}

// refresh reads once and returns when to read again.
func (s *keySet) refresh(ctx context.Context) time.Duration {
	s.mu.Lock()
	s.loading, s.tried = true, s.now()
	s.mu.Unlock()
	data, err := s.load(ctx)
	if err == nil && data != nil {
		err = s.replace(data)
	}
	s.mu.Lock()
	s.loading = false
	close(s.loaded)
	s.loaded = make(chan struct{})
	s.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		s.log.Error("the signing keys could not be read; the last good ones stay", "error", err)
	}
	switch {
	case !s.remote:
		return fileInterval
	case err != nil:
		return retryInterval
	}
	return refreshInterval
}

// find returns the key that kid names and that fits alg. Without a kid there must be only one that fits. An unknown
// kid makes run read the set again, at most once per refetchInterval, and waits for that.
func (s *keySet) find(c *rpc.Call, kid, alg string) (*signingKey, error) {
	key := s.lookup(kid, alg)
	if key == nil && s.awaitRefresh(c) {
		key = s.lookup(kid, alg)
	}
	switch {
	case key != nil:
		return key, nil
	case s.keys.Load() == nil:
		return nil, rpc.Errorf(codes.Unavailable, "KEYS_UNAVAILABLE",
			"the keys of the token's issuer cannot be read at the moment; try again in a few seconds")
	case kid == "":
		return nil, invalid("the token does not say which of its issuer's keys signed it (kid); get one that does")
	}
	return nil, invalid("the token is signed by a key that its issuer does not publish; get a new token")
}

// lookup returns the only key that fits, nil if there is none or more than one.
func (s *keySet) lookup(kid, alg string) *signingKey {
	list := s.keys.Load()
	if list == nil {
		return nil
	}
	var found *signingKey
	for _, key := range *list {
		if kid != "" && key.kid != kid || key.alg != "" && key.alg != alg || !fits(key.public, alg) {
			continue
		}
		if found != nil {
			return nil
		}
		found = key
	}
	return found
}

// awaitRefresh waits until the set was read again, and reports whether it was. It does not wait for a file, which is
// never older than fileInterval, nor if the last read is too recent.
func (s *keySet) awaitRefresh(c *rpc.Call) bool {
	if !s.remote {
		return false
	}
	s.mu.Lock()
	wait := s.loading || s.dueLocked()
	loaded := s.loaded
	s.mu.Unlock()
	if !wait {
		return false
	}
	select {
	case s.asked <- struct{}{}:
	default:
	}
	patience := fetchTimeout
	if c.Timeout > 0 {
		patience = min(patience, c.Timeout)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-loaded:
		return true
	case <-timer.C:
	case <-c.Context().Done():
	}
	return false
}

// due reports whether calls may cause a read now.
func (s *keySet) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dueLocked()
}

func (s *keySet) dueLocked() bool { return s.now().Sub(s.tried) >= refetchInterval }

// replace takes over the keys of a JWKS. Keys that stay keep their value; the others are marked gone, and with them
// every token that they verified.
func (s *keySet) replace(data []byte) error {
	fresh, err := parseKeys(data)
	if err != nil {
		return err
	}
	var old []*signingKey
	if list := s.keys.Load(); list != nil {
		old = *list
	}
	kept := map[*signingKey]bool{}
	for i, key := range fresh {
		for _, before := range old {
			if before.kid == key.kid && before.alg == key.alg && before.thumb == key.thumb {
				fresh[i], kept[before] = before, true
			}
		}
	}
	s.keys.Store(&fresh)
	for _, before := range old {
		if !kept[before] {
			before.gone.Store(true)
		}
	}
	return nil
}

// parseKeys reads a JWKS and returns the public keys that may verify signatures. Others, shared secrets among them,
// are left out.
func parseKeys(data []byte) ([]*signingKey, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, fmt.Errorf("the JSON Web Key Set is empty")
	}
	// Keys of unknown types are no error (RFC 7517, section 5): they are kept as unsupported, and left out below.
	set, err := jwk.Parse(data, jwk.WithMaxKeys(keysMax), jwk.WithStrictKeySetParsing(false))
	if err != nil {
		return nil, fmt.Errorf("JSON Web Key Set: %w", err)
	}
	list := make([]*signingKey, 0, set.Len())
	for i := range set.Len() {
		key, _ := set.Key(i)
		if use, ok := key.KeyUsage(); ok && use != "sig" || !asymmetric(key) {
			continue
		}
		public, err := jwk.PublicKeyOf(key)
		if err != nil {
			return nil, fmt.Errorf("JSON Web Key %d: %w", i, err)
		}
		thumb, err := public.Thumbprint(crypto.SHA256)
		if err != nil {
			return nil, fmt.Errorf("JSON Web Key %d: %w", i, err)
		}
		k := &signingKey{thumb: string(thumb), public: public}
		k.kid, _ = key.KeyID()
		if alg, ok := key.Algorithm(); ok {
			k.alg = alg.String()
		}
		list = append(list, k)
	}
	return list, nil
}
