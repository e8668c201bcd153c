package sql

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-sql-driver/mysql"
)

// certificates reads the files that a dsn names as ssl-ca, ssl-cert and ssl-key, which is what MySQL's own programs call
// them. The driver has no parameters for files.
func certificates(config *mysql.Config, dir string) error {
	file := func(name string) string {
		path := config.Params[name]
		delete(config.Params, name)
		if path != "" && !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		return path
	}
	authority, certificate, key := file("ssl-ca"), file("ssl-cert"), file("ssl-key")
	if authority == "" && certificate == "" && key == "" {
		return nil
	}
	if config.TLSConfig != "true" || config.TLS == nil {
		return errors.New("it names certificates, which are for tls=true")
	}
	if authority != "" {
		text, err := os.ReadFile(authority)
		if err != nil {
			return fmt.Errorf("a file it names cannot be read: %w", err)
		}
		config.TLS.RootCAs = x509.NewCertPool()
		if !config.TLS.RootCAs.AppendCertsFromPEM(text) {
			return errors.New("the file at ssl-ca holds no certificate in PEM form")
		}
	}
	if certificate != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			return fmt.Errorf("ssl-cert and ssl-key cannot be used: %w", err)
		}
		config.TLS.Certificates = []tls.Certificate{pair}
	}
	return nil
}
