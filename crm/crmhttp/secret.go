package crmhttp

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// redacted stands where a secret stood.
const redacted = "[redacted]"

// Secret is a text that must not be seen. Printed, logged or encoded it shows
// "[redacted]"; a conversion to string gives the text. Its zero value is no
// secret.
type Secret string

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// Format prints "[redacted]", whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns "[redacted]".
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// redact returns text without the secrets, in any of the forms in which they
// may have got into it, whatever the case of letters.
func redact(text string, secrets []Secret) string {
	if text == "" {
		return ""
	}
	lower := lowerASCII(text)
	type span struct{ from, to int }
	var spans []span
	for _, secret := range secrets {
		for _, form := range forms(string(secret)) {
			for at := 0; ; {
				i := strings.Index(lower[at:], form)
				if i < 0 {
					break
				}
				spans = append(spans, span{at + i, at + i + len(form)})
				at += i + 1
			}
		}
	}
	if len(spans) == 0 {
		return text
	}
	slices.SortFunc(spans, func(a, b span) int { return a.from - b.from })
	var b strings.Builder
	end := 0
	for _, s := range spans {
		if s.from > end || b.Len() == 0 {
			b.WriteString(text[end:s.from])
			b.WriteString(redacted)
		}
		end = max(end, s.to)
	}
	b.WriteString(text[end:])
	return b.String()
}

// forms returns the texts, in small letters, by which a secret is recognised.
func forms(secret string) []string {
	if secret == "" {
		return nil
	}
	query, path := url.QueryEscape(secret), url.PathEscape(secret)
	encoded, _ := json.Marshal(secret) // cannot fail for a string
	inJSON := string(encoded[1 : len(encoded)-1])
	quoted, ascii := strconv.Quote(secret), strconv.QuoteToASCII(secret)
	all := []string{
		secret,
		query, path, url.QueryEscape(query), url.PathEscape(path),
		inJSON, strings.ReplaceAll(inJSON, "/", `\/`), // PHP escapes slashes
		quoted[1 : len(quoted)-1], ascii[1 : len(ascii)-1],
		html.EscapeString(secret),
		hex.EncodeToString([]byte(secret)),
	}
	// In base64 a text looks different at each of three places; what is the
	// same wherever it stands is the middle. Too short a middle would strike
	// out innocent text.
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for shift := range 3 {
			b := encoding.EncodeToString([]byte(strings.Repeat("\x00", shift) + secret))
			from := (shift*8 + 5) / 6
			to := (shift + len(secret)) * 8 / 6
			if to-from >= 8 {
				all = append(all, b[from:to], url.QueryEscape(b[from:to]))
			}
		}
	}
	for i := range all {
		all[i] = lowerASCII(all[i])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// lowerASCII returns text with A-Z made small, which keeps every index.
func lowerASCII(text string) string {
	b := []byte(text)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
