package authn

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/interceptors/checktest"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

func TestToken_FileChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, fresh := newSigner(t, "k1", jwa.ES256()), newSigner(t, "k2", jwa.ES256())
		cfg, path := fileConfig(t, set(t, old), nil)
		a := newAuthn(t, cfg, time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = a.Run(ctx) })
		before := old.token(t, time.Now(), nil)
		_, err := admit(t, a, before)
		require.NoError(t, err)

		require.NoError(t, os.WriteFile(path, []byte("{"), 0o600))
		time.Sleep(2 * fileInterval) // virtual time
		_, err = admit(t, a, before)
		require.NoError(t, err, "a file that does not parse changes nothing")

		require.NoError(t, os.WriteFile(path, append(set(t, fresh), ' '), 0o600))
		time.Sleep(2 * fileInterval)
		synctest.Wait()
		_, err = admit(t, a, fresh.token(t, time.Now(), nil))
		require.NoError(t, err)
		_, err = admit(t, a, before)
		checktest.Error(t, err, "INVALID_CREDENTIAL") // verified before, but its key is gone

		cancel()
		running.Wait()
	})
}

// remote returns an Authn whose key set comes from fetch instead of a URL.
func remote(t *testing.T, fetch func(context.Context) ([]byte, error)) *Authn {
	t.Helper()
	a := newAuthn(t, withURL("https://id.example/keys"), time.Now)
	a.tokens.issuers[issuerName].keys.load = fetch
	return a
}

func TestToken_UnknownKidRefetchesOnceIn30Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, fresh := newSigner(t, "k1", jwa.ES256()), newSigner(t, "k2", jwa.ES256())
		var published atomic.Value
		var fetches atomic.Int64
		published.Store(set(t, old))
		a := remote(t, func(context.Context) ([]byte, error) {
			fetches.Add(1)
			return published.Load().([]byte), nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = a.Run(ctx) })
		_, err := admit(t, a, old.token(t, time.Now(), nil))
		require.NoError(t, err, "a call at start waits for the first read")
		require.EqualValues(t, 1, fetches.Load())

		published.Store(set(t, old, fresh))
		for i := range 1000 {
			s := *fresh
			s.kid = fmt.Sprint("x", i)
			_, err = admit(t, a, s.token(t, time.Now(), nil))
			checktest.Error(t, err, "INVALID_CREDENTIAL")
		}
		require.EqualValues(t, 1, fetches.Load(), "too soon for another")
		time.Sleep(refetchInterval)
		_, err = admit(t, a, fresh.token(t, time.Now(), nil))
		require.NoError(t, err, "a new key works as soon as the set may be read again, without a refused call")
		for i := range 1000 {
			s := *fresh
			s.kid = fmt.Sprint("x", i)
			_, _ = admit(t, a, s.token(t, time.Now(), nil))
		}
		require.EqualValues(t, 2, fetches.Load())
		time.Sleep(refreshInterval)
		synctest.Wait()
		require.EqualValues(t, 3, fetches.Load(), "and again without anybody asking")
		cancel()
		running.Wait()
	})
}

func TestToken_KeysCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSigner(t, "k1", jwa.ES256())
		var down atomic.Bool
		down.Store(true)
		a := remote(t, func(context.Context) ([]byte, error) {
			if down.Load() {
				return nil, errors.New("connection refused")
			}
			return set(t, s), nil
		})
		_, err := admit(t, a, s.token(t, time.Now(), nil))
		require.Equal(t, codes.Unavailable, checktest.Error(t, err, "KEYS_UNAVAILABLE").Code(), "nobody runs it")

		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = a.Run(ctx) })
		synctest.Wait()
		_, err = admit(t, a, s.token(t, time.Now(), nil))
		require.Equal(t, codes.Unavailable, checktest.Error(t, err, "KEYS_UNAVAILABLE").Code())
		down.Store(false)
		time.Sleep(retryInterval)
		synctest.Wait()
		_, err = admit(t, a, s.token(t, time.Now(), nil))
		require.NoError(t, err)
		down.Store(true)
		time.Sleep(2 * refreshInterval)
		_, err = admit(t, a, s.token(t, time.Now(), nil))
		require.NoError(t, err, "the last good keys stay")
		cancel()
		running.Wait()
	})
}

func TestToken_WaitEndsWithTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := remote(t, func(ctx context.Context) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() })
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = a.Run(ctx) })
		m := checktest.Method(t, rpc.Policy{Access: rpc.Authenticated})
		check := a.Check(m)
		require.True(t, check.Waits)
		c := checktest.Call(m, "authorization", "Bearer "+newSigner(t, "k1", jwa.ES256()).token(t, time.Now(), nil))
		c.Timeout = time.Second
		start := time.Now()
		require.Error(t, check.Admit(c))
		require.Equal(t, time.Second, time.Since(start))

		c.Timeout = 0
		gone, leave := context.WithTimeout(context.Background(), 2*time.Second)
		defer leave()
		c.WithContext(gone)
		start = time.Now()
		require.Error(t, check.Admit(c))
		require.Equal(t, 2*time.Second, time.Since(start))
		cancel()
		running.Wait()
	})
}

func TestParseKeys(t *testing.T) {
	s := newSigner(t, "k1", jwa.ES256())
	many := make([]*signer, 101)
	for i := range many {
		many[i] = &signer{kid: fmt.Sprint(i), private: s.private}
	}
	private, err := jwk.Import(s.private)
	require.NoError(t, err)
	privateJSON, err := json.Marshal(private)
	require.NoError(t, err)
	for _, test := range []struct {
		name string
		data string
		n    int
		fail bool
	}{
		{"One", string(set(t, s)), 1, false},
		{"Empty", `{"keys":[]}`, 0, false},
		{"TooMany", string(set(t, many...)), 0, true},
		{"SharedSecretIsLeftOut", `{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`, 0, false},
		{"EncryptionKeyIsLeftOut", strings.Replace(string(set(t, s)), `{"crv"`, `{"use":"enc","crv"`, 1), 0, false},
		{"OfPrivateKeyThePublicPart", `{"keys":[` + string(privateJSON) + `]}`, 1, false},
		{"UnknownTypeIsLeftOut", `{"keys":[{"kty":"XYZ"}]}`, 0, false},
		{"NotJSON", "<html>", 0, true},
		{"Nothing", "  ", 0, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			keys, err := parseKeys([]byte(test.data))
			require.Equal(t, test.fail, err != nil, "%v", err)
			require.Len(t, keys, test.n)
			for _, k := range keys {
				isPrivate, err := jwk.IsPrivateKey(k.public)
				require.NoError(t, err)
				require.False(t, isPrivate)
			}
		})
	}
}

func TestFetch(t *testing.T) {
	keys := set(t, newSigner(t, "k1", jwa.ES256()))
	mux := http.NewServeMux()
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(keys) })
	mux.Handle("/moved", http.RedirectHandler("/keys", http.StatusFound))
	mux.HandleFunc("/error", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) })
	mux.HandleFunc("/huge", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(bytes.Repeat([]byte(" "), keySetBytesMax+1))
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	for _, test := range []struct{ path, says string }{
		{"/keys", ""}, {"/moved", "302"}, {"/error", "500"}, {"/huge", "longer than"}, {"/none", "404"},
	} {
		load, err := newFetch(server.URL + test.path)
		require.NoError(t, err)
		data, err := load(t.Context())
		if test.says == "" {
			require.NoError(t, err)
			require.Equal(t, keys, data)
			continue
		}
		require.ErrorContains(t, err, test.says)
	}
}

func TestMayDial(t *testing.T) {
	for _, test := range []struct {
		address      string
		onlyLoopback bool
		ok           bool
	}{
		{"192.0.2.1:443", false, true},
		{"127.0.0.1:80", true, true},
		{"[::1]:80", true, true},
		{"192.0.2.1:80", true, false},
		{"169.254.169.254:443", false, false},
		{"[::ffff:169.254.169.254]:443", false, false},
		{"[fe80::1]:443", false, false},
		{"0.0.0.0:443", false, false},
		{"[ff02::1]:443", false, false},
		{"id.example:443", false, false},
	} {
		require.Equal(t, test.ok, mayDial(test.address, test.onlyLoopback) == nil, test.address)
	}
}

func TestToken_OverHTTP(t *testing.T) {
	s := newSigner(t, "k1", jwa.EdDSA())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(set(t, s)) }))
	defer server.Close()
	var log bytes.Buffer
	cfg := withURL(server.URL)
	a, err := New(cfg, time.Now, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = a.Run(ctx) })
	_, err = admit(t, a, s.token(t, time.Now(), nil))
	require.NoError(t, err)
	cancel()
	running.Wait()
	require.Empty(t, log.String())
}
