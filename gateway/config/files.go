package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"

	"github.com/lestrrat-go/jwx/v3/jwk"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
)

// checkPath looks whether what the setting at path names is there, and a folder where a folder is asked for.
func (l *loader) checkPath(path, name string, folder bool) {
	info, err := os.Stat(name)
	switch {
	case name == "":
		l.reportf(path, "has no value; name a file or a folder")
	case err != nil:
		l.reportf(path, "%s: %v", name, bare(err))
	case folder && !info.IsDir():
		l.reportf(path, "%s is a file; name the folder with the .proto files", name)
	case !folder && info.IsDir():
		l.reportf(path, "%s is a folder; name a FileDescriptorSet or buf image, or use source.proto", name)
	}
}

func (l *loader) checkServerTLS(path string, t *configv1.ServerTls) {
	if t == nil {
		return
	}
	l.checkKeyPair(path, t.GetCertFile(), t.GetKeyFile())
	l.checkAuthorities(path+".client_ca_file", t.GetClientCaFile())
}

func (l *loader) checkClientTLS(path string, t *configv1.ClientTls) {
	if t == nil {
		return
	}
	switch {
	case t.GetCertFile() != "" && t.GetKeyFile() == "":
		l.reportf(path+".key_file", "is missing; cert_file needs it")
	case t.GetCertFile() == "" && t.GetKeyFile() != "":
		l.reportf(path+".cert_file", "is missing; key_file needs it")
	}
	l.checkKeyPair(path, t.GetCertFile(), t.GetKeyFile())
	l.checkAuthorities(path+".ca_file", t.GetCaFile())
}

func (l *loader) checkKeyPair(path, certFile, keyFile string) {
	if certFile == "" || keyFile == "" {
		return
	}
	cert, certOK := l.read(path+".cert_file", certFile)
	key, keyOK := l.read(path+".key_file", keyFile)
	if !certOK || !keyOK {
		return
	}
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		l.reportf(path+".cert_file", "%s and %s do not make a certificate with its key: %s", certFile, keyFile, strings.TrimPrefix(err.Error(), "tls: "))
	}
}

func (l *loader) checkAuthorities(path, file string) {
	if file == "" {
		return
	}
	if data, ok := l.read(path, file); ok && !x509.NewCertPool().AppendCertsFromPEM(data) {
		l.reportf(path, "%s has no PEM certificate", file)
	}
}

func (l *loader) checkJWKS(path, file string) {
	data, ok := l.read(path, file)
	if !ok {
		return
	}
	set, err := jwk.Parse(data)
	if err == nil && set.Len() == 0 {
		err = fmt.Errorf("it has no key")
	}
	if err != nil {
		l.reportf(path, "%s is not a JSON Web Key Set: %v", file, err)
	}
}

func (l *loader) read(path, file string) ([]byte, bool) {
	data, err := readFile(file)
	if err != nil {
		l.reportf(path, "%s: %v", file, err)
	}
	return data, err == nil
}
