package soap

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/xml"
)

// format is how the records stand in an answer: elements of the body of an envelope.
type format struct {
	xml.Format
	version *version
}

// Accept asks for what the version is called.
func (f format) Accept() string { return f.version.accept }

// Of these fields an answer is judged.
var (
	inBody  = decode.Path{"Envelope", "Body"}
	inFault = decode.Path{"Envelope", "Body", "Fault"}
	told    = []decode.Path{
		inBody, inFault,
		below("faultcode"), below("Code", "Value"), below("Code", "Subcode", "Value"),
		below("faultstring"), below("Reason", "Text"),
	}
)

const (
	body = iota
	fault
	code
	value
	subcode
	text
	reason
)

func below(names ...string) decode.Path { return append(slices.Clone(inFault), names...) }

// Split cuts the records out of an answer; see decode.Format. A fault is a *decode.RefusedError, and a document that is no
// envelope a *decode.ItemsError, whatever else is in it.
func (f format) Split(r io.Reader, o decode.Options, emit func(raw []byte, item int) error) (decode.Envelope, error) {
	if kind, _, _ := mime.ParseMediaType(o.ContentType); kind == "multipart/related" {
		return decode.Envelope{}, errors.New("the answer has attachments (MTOM), which are not read; have the service send it without")
	}
	at := len(o.Fields)
	o.Fields = slices.Concat(o.Fields, told)
	envelope, err := f.Format.Split(r, o, emit)
	if len(envelope.Fields) < len(o.Fields) {
		return envelope, err
	}
	fields := envelope.Fields[at:]
	envelope.Fields = envelope.Fields[:at]
	if _, ok := errors.AsType[*decode.ItemsError](err); err != nil && !ok {
		return envelope, err
	}
	if refused := refusal(fields); refused != nil {
		return envelope, refused
	}
	if err == nil && fields[body].Kind == 0 {
		err = &decode.ItemsError{Path: decode.Path{f.Items.String()}, Found: decode.Missing, Body: "no SOAP envelope"}
	}
	return envelope, err
}

// refusal reads a fault of either version (SOAP 1.1, section 4.4; SOAP 1.2 part 1, section 5.4); nil where there is none.
func refusal(fields []decode.Field) *decode.RefusedError {
	if fields[fault].Kind == 0 {
		return nil
	}
	var said []string
	for _, i := range []int{code, value, subcode, text, reason} {
		raw, err := jsontext.AppendUnquote(nil, fields[i].Raw)
		if words := strings.Join(strings.Fields(string(raw)), " "); err == nil && words != "" {
			said = append(said, words)
		}
	}
	e := &decode.RefusedError{What: "the answer is a SOAP fault", Said: strings.Join(said, ": ")}
	for _, word := range said {
		_, local, prefixed := strings.Cut(word, ":")
		if !prefixed {
			local = word
		}
		if next := advice[local]; next != "" {
			e.Next = next
		}
		e.Login = e.Login || local == "FailedAuthentication" || local == "Client.Authentication"
	}
	return e
}

// advice is what codes of the standards ask for (WS-Security 1.1, section 12; SOAP 1.1, section 4.4.1).
var advice = map[string]string{
	"FailedAuthentication": "check security or auth", "FailedCheck": "check security", "InvalidSecurity": "check security",
	"InvalidSecurityToken": "check security", "UnsupportedSecurityToken": `check the type of security "username_token"`,
	"SecurityTokenUnavailable": "check security", "MessageExpired": "compare the clocks of both machines",
	"Client.Authentication": "check security or auth", "VersionMismatch": "the service speaks the other version of SOAP: set version",
	"MustUnderstand": "the service does not know security, or not like this",
}

// explain finds a fault in an answer whose status is an error.
func (f format) explain(contentType string, start []byte) *decode.RefusedError {
	_, err := f.Split(bytes.NewReader(start), decode.Options{ContentType: contentType}, func([]byte, int) error { return nil })
	refused, _ := errors.AsType[*decode.RefusedError](err)
	return refused
}
