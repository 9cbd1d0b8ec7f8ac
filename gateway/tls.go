package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
)

// lookEvery is how often, at most, the files of a listener's TLS are looked at. Only handshakes look.
const lookEvery = time.Second

// reloading is the TLS of a listener, read again when its files have changed. Open connections stay as they are. Files that cannot
// be used, because only one of a pair has been replaced yet, say, leave what was there before in use. It is safe for concurrent
// use.
type reloading struct {
	setting string
	files   *configv1.ServerTls
	log     *slog.Logger
	now     func() time.Time

	mu     sync.Mutex
	config *tls.Config
	looked time.Time
	stamps []stamp // of what was tried last
	failed bool    // and could not be used
}

// stamp is what tells one version of a file from another.
type stamp struct {
	info os.FileInfo
	path string
}

func (s stamp) same(other stamp) bool {
	return s.info != nil && other.info != nil && os.SameFile(s.info, other.info) &&
		s.info.ModTime().Equal(other.info.ModTime()) && s.info.Size() == other.info.Size()
}

// newTLS returns the TLS of a listener, nil for none.
func newTLS(setting string, files *configv1.ServerTls, log *slog.Logger) (*tls.Config, error) {
	if files == nil {
		return nil, nil
	}
	r := &reloading{setting: setting, files: files, log: log, now: time.Now}
	r.looked, r.stamps = r.now(), r.look()
	config, err := r.load()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	r.config = config
	outer := config.Clone()
	outer.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return r.current(), nil }
	return outer, nil
}

// current returns the configuration of a handshake.
func (r *reloading) current() *tls.Config {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if now.Sub(r.looked) < lookEvery {
		return r.config
	}
	r.looked = now
	stamps := r.look()
	changed := !slices.EqualFunc(stamps, r.stamps, stamp.same)
	if !changed && !r.failed {
		return r.config
	}
	r.stamps = stamps
	config, err := r.load()
	switch {
	case err == nil:
		r.config, r.failed = config, false
		r.log.Info("the certificate was read again", "setting", r.setting)
	case changed: // told once
		r.failed = true
		r.log.Error("the changed certificate cannot be used; the one before stays in use", "setting", r.setting, "error", err)
	}
	return r.config
}

func (r *reloading) look() (stamps []stamp) {
	for _, path := range []string{r.files.GetCertFile(), r.files.GetKeyFile(), r.files.GetClientCaFile()} {
		if path != "" {
			info, _ := os.Stat(path) // load says what is wrong
			stamps = append(stamps, stamp{info, path})
		}
	}
	return stamps
}

// load reads the files.
func (r *reloading) load() (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(r.files.GetCertFile(), r.files.GetKeyFile())
	if err != nil {
		return nil, err
	}
	config := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if r.files.GetClientCaFile() == "" {
		return config, nil
	}
	pem, err := os.ReadFile(r.files.GetClientCaFile())
	if err != nil {
		return nil, err
	}
	config.ClientCAs = x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no PEM certificate in it", r.files.GetClientCaFile())
	}
	config.ClientAuth = tls.RequireAndVerifyClientCert
	// A session that an authority vouched for must not be resumed when the authority is no longer there.
	config.SessionTicketsDisabled = true
	return config, nil
}
