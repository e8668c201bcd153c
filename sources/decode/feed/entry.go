package feed

import (
	"bytes"
	"cmp"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hookbridge/bridge/sources/decode"
	"github.com/mmcdole/gofeed"
	"github.com/mmcdole/gofeed/atom"
	ext "github.com/mmcdole/gofeed/extensions"
	"github.com/mmcdole/gofeed/json"
)

// entry is a record, in the order in which it is written.
type entry struct {
	ID            string            `json:"id,omitempty"`
	Title         string            `json:"title,omitempty"`
	Link          string            `json:"link,omitempty"`
	Links         []string          `json:"links,omitempty"`
	Published     string            `json:"published,omitempty"`
	PublishedText string            `json:"published_text,omitempty"`
	Updated       string            `json:"updated,omitempty"`
	UpdatedText   string            `json:"updated_text,omitempty"`
	Summary       string            `json:"summary,omitempty"`
	Content       string            `json:"content,omitempty"`
	Authors       []person          `json:"authors,omitempty"`
	Categories    []string          `json:"categories,omitempty"`
	Enclosures    []enclosure       `json:"enclosures,omitempty"`
	Extensions    ext.Extensions    `json:"extensions,omitempty"`
	Custom        map[string]string `json:"custom,omitempty"`
}

type person struct {
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
	URI   string `json:"uri,omitempty"`
}

type enclosure struct {
	URL    string `json:"url,omitempty"`
	Type   string `json:"type,omitempty"`
	Length string `json:"length,omitempty"`
}

func (e entry) json() ([]byte, error) {
	var b bytes.Buffer
	encoder := stdjson.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(e); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// universal is what gofeed makes of every kind of feed.
func universal(item *gofeed.Item) entry {
	e := entry{
		ID: cmp.Or(item.GUID, item.Link), Title: item.Title, Link: item.Link, Links: item.Links,
		PublishedText: item.Published, Published: moment(item.PublishedParsed),
		UpdatedText: item.Updated, Updated: moment(item.UpdatedParsed),
		Summary: item.Description, Content: item.Content, Categories: item.Categories,
		Extensions: item.Extensions, Custom: item.Custom,
	}
	for _, p := range item.Authors {
		e.Authors = append(e.Authors, person{Name: p.Name, Email: p.Email})
	}
	for _, c := range item.Enclosures {
		e.Enclosures = append(e.Enclosures, enclosure{URL: c.URL, Type: c.Type, Length: c.Length})
	}
	return e
}

// fromAtom takes from the original what the universal form leaves out: links that lead elsewhere, the addresses of
// authors, and that an entry was never said to be published.
func fromAtom(item *gofeed.Item, original *atom.Entry) entry {
	e := universal(item)
	e.Links = nil
	for _, link := range original.Links {
		if link.Rel != "enclosure" {
			e.Links = append(e.Links, link.Href)
		}
	}
	if len(e.Links) > 0 {
		e.ID = cmp.Or(e.ID, e.Links[0])
	}
	e.PublishedText, e.Published = original.Published, moment(original.PublishedParsed)
	for i, p := range original.Authors {
		e.Authors[i].URI = p.URI
	}
	return e
}

// fromJSON reads an item of a JSON Feed and adds the addresses of its authors.
func fromJSON(raw []byte, number int) (entry, error) {
	fault := func(err error) (entry, error) {
		return entry{}, &decode.SyntaxError{Language: language, Pointer: fmt.Sprintf("/items/%d", number-1), Err: err}
	}
	item := new(json.Item)
	if raw[0] != '{' {
		return fault(errors.New("it is not an object"))
	}
	if err := stdjson.Unmarshal(raw, item); err != nil {
		return fault(err)
	}
	item.Authors = slices.DeleteFunc(item.Authors, func(a *json.Author) bool { return a == nil })
	feed, err := (&gofeed.DefaultJSONTranslator{}).Translate(&json.Feed{Items: []*json.Item{item}})
	if err != nil {
		return fault(err)
	}
	e := universal(feed.Items[0])
	if len(e.Links) > 0 {
		e.ID = cmp.Or(e.ID, e.Links[0])
	}
	authors := item.Authors
	if authors == nil && item.Author != nil {
		authors = []*json.Author{item.Author}
	}
	for i, a := range authors {
		e.Authors[i].URI = a.URL
	}
	return e, nil
}

// moment writes a time as RFC 3339 in UTC; empty where there is none that could be written so.
func moment(t *time.Time) string {
	if t == nil {
		return ""
	}
	utc := t.UTC()
	if utc.Year() < 0 || utc.Year() > 9999 {
		return ""
	}
	return utc.Format(time.RFC3339Nano)
}
