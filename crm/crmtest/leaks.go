package crmtest

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// piece is how many bytes of a secret are a leak, if it has so many.
const piece = 10

// leaks reports whether something of a secret can be seen in text: a piece of
// it, or the whole in one of the forms in which texts are sent and printed.
func leaks(text string, secrets []string) bool {
	lower := strings.ToLower(text)
	for _, secret := range secrets {
		size := min(piece, len(secret))
		for i := 0; i+size <= len(secret); i++ {
			if strings.Contains(lower, strings.ToLower(secret[i:i+size])) {
				return true
			}
		}
		for _, form := range forms(secret) {
			if strings.Contains(lower, strings.ToLower(form)) {
				return true
			}
		}
	}
	return false
}

// forms returns what a whole secret becomes on its way into a text.
func forms(secret string) []string {
	encoded, _ := json.Marshal(secret) // cannot fail for a text
	all := []string{
		url.QueryEscape(secret), url.PathEscape(secret), hex.EncodeToString([]byte(secret)),
		string(encoded[1 : len(encoded)-1]), strings.Trim(strconv.Quote(secret), `"`),
		strings.Trim(fmt.Sprintf("%d", []byte(secret)), "[]"),
	}
	// In base64 a text looks different at each of three places; the same is what
	// stands in the middle.
	for shift := range 3 {
		padded := append(make([]byte, shift), secret...)
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := encoding.EncodeToString(padded)
			all = append(all, text[(shift*8+5)/6:len(padded)*8/6])
		}
	}
	return all
}

// printed returns all that printing, logging or encoding makes of a value.
func printed(value any) []string {
	texts := []string{
		fmt.Sprintf("%v", value), fmt.Sprintf("%+v", value), fmt.Sprintf("%#v", value),
		fmt.Sprintf("%s", value), fmt.Sprintf("%q", value),
	}
	if encoded, err := json.Marshal(value); err == nil {
		texts = append(texts, string(encoded))
	} else {
		texts = append(texts, err.Error())
	}
	return texts
}

// chain returns err and everything that Unwrap reaches from it.
func chain(err error) []error {
	if err == nil {
		return nil
	}
	all := []error{err}
	switch e := err.(type) { //nolint:errorlint // it walks the chain itself
	case interface{ Unwrap() error }:
		all = append(all, chain(e.Unwrap())...)
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			all = append(all, chain(inner)...)
		}
	}
	return all
}
