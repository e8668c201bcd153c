package outbound

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hookbridge/bridge"
)

// Formats of a delivery, and their present version. A format's bytes never change within a version, because a retry
// next week must send what was sent today.
const (
	FormatStandard    = "standard"           // {"type","timestamp","data"}, by Standard Webhooks
	FormatRaw         = "raw"                // the record alone
	FormatCloudEvents = "cloudevents"        // CloudEvents 1.0, all in the body
	FormatBinary      = "cloudevents-binary" // CloudEvents 1.0, attributes in headers
	FormatGitHub      = "github"             // a repository_dispatch of GitHub
	FormatStripe      = "stripe"             // an event of Stripe
	Version           = 1                    // of all
)

// Formats are the names of all formats.
func Formats() []string {
	return []string{FormatStandard, FormatCloudEvents, FormatBinary, FormatRaw, FormatGitHub, FormatStripe}
}

const contentType = "application/json"

// Body returns what is sent for an event, with its content type: a pure function of the event and the format. The
// source's own bytes are copied as they are, so that no number or escape changes its spelling.
func Body(e *bridge.Event, format string, version int) (string, []byte, error) {
	if version != Version {
		return "", nil, fmt.Errorf("format %q has no version %d here; this event was written by a newer hookbridge", format, version)
	}
	switch format {
	case FormatStandard:
		return contentType, standardBody(e), nil
	case FormatRaw:
		return contentType, rawBody(e), nil
	case FormatCloudEvents:
		return "application/cloudevents+json; charset=UTF-8", cloudEvent(e), nil
	case FormatBinary:
		return contentType, appendData(make([]byte, 0, dataSize(e)), e), nil
	case FormatGitHub:
		return contentType, gitHubBody(e), nil
	case FormatStripe:
		return contentType, stripeBody(e), nil
	}
	return "", nil, fmt.Errorf("format %q is not known; use one of %s", format, strings.Join(Formats(), ", "))
}

// formatHeaders are the headers that a format needs besides those of every delivery.
func formatHeaders(h http.Header, e *bridge.Event, format string) {
	switch format {
	case FormatBinary:
		for _, a := range cloudAttributes(e) {
			h["Ce-"+http.CanonicalHeaderKey(a[0])] = []string{escape(a[1])}
		}
	case FormatGitHub:
		h["X-Github-Event"] = []string{"repository_dispatch"}
		h["X-Github-Delivery"] = []string{e.ID}
	}
}

// silent reports whether the body of a format leaves out job, key, sequence and origin, which then travel as headers.
func silent(format string) bool {
	return format == FormatRaw || format == FormatGitHub || format == FormatStripe
}

// cloudAttributes are the context attributes of CloudEvents 1.0 and two extensions: sequence sorts as text, origin is
// what made us look.
func cloudAttributes(e *bridge.Event) [][2]string {
	segments := strings.Split(e.Job, "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	all := [][2]string{
		{"specversion", "1.0"}, {"id", e.ID}, {"source", "/hookbridge/" + strings.Join(segments, "/")}, {"type", e.Type},
		{"time", e.Time.UTC().Format("2006-01-02T15:04:05.000Z")}, {"sequence", fmt.Sprintf("%019d", e.Sequence)},
	}
	if e.Key != "" { // an attribute is never empty
		all = append(all, [2]string{"subject", e.Key})
	}
	if e.Origin != "" {
		all = append(all, [2]string{"origin", string(e.Origin)})
	}
	return all
}

func cloudEvent(e *bridge.Event) []byte {
	b := append(make([]byte, 0, 256+dataSize(e)), '{')
	for _, a := range cloudAttributes(e) {
		b = append(appendText(b, a[0]), ':')
		b = append(appendText(b, a[1]), ',')
	}
	b = append(b, `"datacontenttype":"application/json","data":`...)
	return append(appendData(b, e), '}')
}

// gitHubBody is a repository_dispatch, the one event of GitHub whose action and payload are anybody's to choose, and
// which GitHub's client libraries take therefore.
func gitHubBody(e *bridge.Event) []byte {
	b := append(make([]byte, 0, 64+dataSize(e)), `{"action":`...)
	b = appendText(b, e.Type)
	b = append(b, `,"client_payload":`...)
	return append(appendData(b, e), '}')
}

// stripeBody is an event of Stripe: its data's object is the record as it is now, or as it was when it is gone, or what
// the job's event block wrote. Stripe's libraries take nothing but an object there; anything else stands under value.
func stripeBody(e *bridge.Event) []byte {
	b := append(make([]byte, 0, 256+dataSize(e)), `{"id":`...)
	b = appendText(b, e.ID)
	b = append(b, `,"object":"event","api_version":null,"created":`...)
	b = strconv.AppendInt(b, e.Time.Unix(), 10)
	b = append(b, `,"livemode":true,"pending_webhooks":0,"request":null,"type":`...)
	b = appendText(b, e.Type)
	b = append(b, `,"data":{"object":`...)
	object := e.Data
	if object == nil {
		object = rawBody(e)
	}
	if trimmed := bytes.TrimSpace(object); len(trimmed) > 0 && trimmed[0] == '{' {
		b = append(b, object...)
	} else {
		b = append(append(append(b, `{"value":`...), object...), '}')
	}
	if previous := previousAttributes(e); e.Data == nil && previous != nil {
		b = append(append(b, `,"previous_attributes":`...), previous...)
	}
	return append(b, `}}`...)
}

// previousAttributes are the fields of the record that differ, as they were before: whole ones, as far as they existed.
func previousAttributes(e *bridge.Event) []byte {
	if e.Op != bridge.Updated || len(e.Changed) == 0 {
		return nil
	}
	changed := map[string]bool{}
	for _, pointer := range e.Changed {
		for token := range jsontext.Pointer(pointer).Tokens() {
			changed[token] = true
			break
		}
	}
	d := jsontext.NewDecoder(bytes.NewReader(e.Before), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if first, err := d.ReadToken(); err != nil || first.Kind() != '{' {
		return nil // no record with fields
	}
	b := []byte{'{'}
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return nil
		}
		text := name.String()
		value, err := d.ReadValue()
		if err != nil {
			return nil
		}
		if !changed[text] {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(appendText(b, text), ':')
		b = append(b, value...)
	}
	return append(b, '}')
}
