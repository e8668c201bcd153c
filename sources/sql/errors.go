package sql

import (
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
	"syscall"
)

// fetchError is what a person reads about a failed fetch: scrubbed of secrets, with its cause kept for errors.Is.
type fetchError struct {
	text  string
	cause error
}

func (e *fetchError) Error() string { return e.text }
func (e *fetchError) Unwrap() error { return e.cause }

// errNoAddress is a dsn that is no address. Mostly it is the password, with a character that ends something in addresses;
// more cannot be said without showing it.
var errNoAddress = errors.New("it cannot be understood; in an address, a password is written urlencode(…)")

// fail says what was attempted.
func (s *Source) fail(attempted string, err error) error {
	return &fetchError{text: s.scrub("source.sql: " + attempted + ": " + s.database.explain(unreached(err)).Error()), cause: err}
}

// scrub hides every secret of the source. The user's name goes where a server quotes it.
func (s *Source) scrub(text string) string {
	user, password := s.database.credentials()
	for _, secret := range append([]string{password}, s.secrets...) {
		if len(secret) < 4 {
			continue // would hide half of any text and protect nothing
		}
		quoted := strconv.Quote(secret)
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), quoted[1 : len(quoted)-1]} {
			text = strings.ReplaceAll(text, form, "(secret)")
		}
	}
	if user != "" {
		for _, quote := range []string{`'`, `"`, "`"} {
			text = strings.ReplaceAll(text, quote+user+quote, quote+"(user)"+quote)
		}
	}
	return text
}

// advise adds to an error what to do about it.
func advise(text, advice string) error {
	if advice == "" {
		return errors.New(text)
	}
	return errors.New(text + "; " + advice)
}

// unreached says of an error of the network what it means for a database. The drivers would show the whole dsn around it.
func unreached(err error) error {
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var op *net.OpError
	switch {
	case errors.As(err, &name):
		return advise("the host is not known", "check the host in dsn")
	case errors.As(err, &certificate):
		return advise("the server's certificate is not trusted: "+certificate.Err.Error(), "name the one that signed it in dsn, and the host as it is written in the certificate")
	case errors.Is(err, syscall.ENOENT) && errors.As(err, &op):
		return advise("there is no such socket", "check its path in dsn, and that the server runs on this machine")
	case errors.Is(err, syscall.ECONNREFUSED):
		return advise("connection refused", "check host and port in dsn, and that the server runs and listens there")
	case errors.As(err, &op) && op.Op == "dial" && op.Timeout():
		return advise("the server does not answer", "check host and port in dsn, and the firewalls in between")
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return advise("the server closed the connection", "its log may say why")
	}
	return err
}
