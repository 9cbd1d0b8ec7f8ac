package backend

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
)

// credentialsOf returns the transport security of a target, and the key under which connections are shared: target,
// server name and the content of the files, so that a new certificate under an old name is a new connection.
func credentialsOf(t Target, cfg *configv1.ClientTls) (credentials.TransportCredentials, string, error) {
	key := t.String()
	if cfg == nil && t.Scheme != "grpcs" {
		return insecure.NewCredentials(), key, nil
	}
	if t.Scheme == "grpc" || t.Scheme == "unix" {
		return nil, "", errors.New("this target is cleartext, but tls is set; write grpcs://host:port, or take tls away")
	}
	if (cfg.GetCertFile() == "") != (cfg.GetKeyFile() == "") {
		return nil, "", errors.New("tls.cert_file and tls.key_file belong together; set both or none")
	}
	conf := &tls.Config{ServerName: cfg.GetServerName(), MinVersion: tls.VersionTLS12}
	sum := sha256.New()
	if name := cfg.GetCaFile(); name != "" {
		pem, err := os.ReadFile(name)
		if err != nil {
			return nil, "", fmt.Errorf("tls.ca_file: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, "", fmt.Errorf("tls.ca_file: %s has no PEM certificate", name)
		}
		fmt.Fprintf(sum, "ca %d %s", len(pem), pem)
	}
	if name := cfg.GetCertFile(); name != "" {
		cert, err := tls.LoadX509KeyPair(name, cfg.GetKeyFile())
		if err != nil {
			return nil, "", fmt.Errorf("tls.cert_file and tls.key_file: %w", err)
		}
		conf.Certificates = []tls.Certificate{cert}
		for _, der := range cert.Certificate {
			fmt.Fprintf(sum, "cert %d %s", len(der), der)
		}
	}
	return credentials.NewTLS(conf), fmt.Sprintf("%s tls %q %x", key, cfg.GetServerName(), sum.Sum(nil)), nil
}
