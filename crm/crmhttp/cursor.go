package crmhttp

import (
	"bytes"
	"encoding/json"
	"iter"
	"unicode/utf8"
)

// Cursor goes through JSON once, from the beginning to the end, and copies
// nothing:
//
//	for name := range cursor.Members() {
//		switch string(name) {
//		case "total":
//			err = total.UnmarshalJSON(cursor.Value())
//		case "rows":
//			for range cursor.Elements() {
//				...
//			}
//		}
//	}
//
// It stands before a value, which one of its methods reads. A value that the
// body of a loop does not read is left out. A loop that ends early leaves the
// cursor where it is, and nothing further can be read then.
//
// The JSON has to be valid, as it is in [Client.JSON]. A cursor is for one
// goroutine.
type Cursor struct {
	data []byte
	at   int
}

// NewCursor returns a cursor before the value in data, which has to be valid
// JSON (see [json.Valid]): of other data it reads anything, but not beyond its
// end.
func NewCursor(data []byte) *Cursor {
	c := &Cursor{data: data}
	c.blanks()
	return c
}

// Kind returns the first character of the value: '{' for an object, '[' for an
// array, '"' for a text, 't', 'f' or 'n' for true, false and null, and a digit or
// '-' for a number; 0 at the end.
func (c *Cursor) Kind() byte {
	if c.at < len(c.data) {
		return c.data[c.at]
	}
	return 0
}

// Value reads the value and returns it as it is written, without blanks around
// it. It shares memory with the data.
func (c *Cursor) Value() []byte {
	start := c.at
	switch c.Kind() {
	case '"':
		c.text()
	case '{', '[':
		c.nested()
	default:
		c.plain()
	}
	value := c.data[start:c.at]
	c.blanks()
	return value
}

// Members reads an object: it yields the name of each member, decoded, when the
// cursor stands before its value. Names may repeat. Of what is no object nothing
// is read.
func (c *Cursor) Members() iter.Seq[[]byte] {
	return func(yield func(name []byte) bool) {
		for more := c.enter('{', '}'); more; more = c.next() {
			name, err := nameOf(c.Value())
			c.sign() // the colon
			if err != nil || !c.part(func() bool { return yield(name) }) {
				return
			}
		}
	}
}

// Elements reads an array: it yields the number of each element, from 0 on, when
// the cursor stands before it. Of what is no array nothing is read.
func (c *Cursor) Elements() iter.Seq[int] {
	return func(yield func(int) bool) {
		i := 0
		for more := c.enter('[', ']'); more; more = c.next() {
			if !c.part(func() bool { return yield(i) }) {
				return
			}
			i++
		}
	}
}

// part has a value read, and leaves it out if it was not.
func (c *Cursor) part(read func() bool) bool {
	before := c.at
	if !read() {
		return false
	}
	if c.at == before {
		c.Value()
	}
	return c.at > before // not where the data is not valid
}

// enter goes into an object or array, and reports whether it holds something. An
// empty one is read.
func (c *Cursor) enter(opening, closing byte) bool {
	if c.Kind() != opening {
		return false
	}
	c.sign()
	if c.Kind() == closing {
		c.sign()
		return false
	}
	return true
}

// next goes on to the next part, or behind the end of the object or array.
func (c *Cursor) next() bool {
	more := c.Kind() == ','
	c.sign()
	return more
}

// sign goes behind a single sign, and the blanks behind it.
func (c *Cursor) sign() {
	if c.at < len(c.data) {
		c.at++
	}
	c.blanks()
}

func (c *Cursor) blanks() {
	for c.at < len(c.data) && (c.data[c.at] == ' ' || c.data[c.at] == '\n' || c.data[c.at] == '\t' || c.data[c.at] == '\r') {
		c.at++
	}
}

// nested goes behind an object or array.
func (c *Cursor) nested() {
	for depth := 0; c.at < len(c.data); {
		switch c.data[c.at] {
		case '"':
			c.text()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		c.at++
		if depth == 0 {
			return
		}
	}
}

// text goes behind a text.
func (c *Cursor) text() {
	for i := c.at + 1; i < len(c.data); i++ {
		switch c.data[i] {
		case '"':
			c.at = i + 1
			return
		case '\\':
			i++
		}
	}
	c.at = len(c.data)
}

// plain goes behind a number, a truth value or null.
func (c *Cursor) plain() {
	for ; c.at < len(c.data); c.at++ {
		switch c.data[c.at] {
		case ',', ']', '}', ':', ' ', '\n', '\t', '\r':
			return
		}
	}
}

// nameOf decodes a name; mostly there is nothing to decode.
func nameOf(quoted []byte) ([]byte, error) {
	if len(quoted) >= 2 && bytes.IndexByte(quoted, '\\') < 0 && utf8.Valid(quoted) {
		return quoted[1 : len(quoted)-1], nil
	}
	var name string
	err := json.Unmarshal(quoted, &name)
	return []byte(name), err
}
