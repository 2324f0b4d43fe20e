package umnico

import (
	"errors"
	"strings"
	"unicode"
)

// tokenHint says what a good token looks like. The format is not documented
// beyond "JSON Web Token", so nothing is demanded of it.
const tokenHint = "expected the account's token from Settings > API, " +
	"a JSON Web Token: one word of three parts with dots between them"

// cleanToken returns a pasted token as it is sent. Its errors do not show it.
func cleanToken(pasted, word string) (string, error) {
	token := strings.TrimFunc(pasted, invisible)
	for _, known := range []string{word, "bearer", "jwt"} {
		first, rest, found := cutWord(token)
		if strings.EqualFold(first, known) {
			if !found {
				return "", errors.New("the token is missing after its word; " + tokenHint)
			}
			token = rest
			break
		}
	}
	switch {
	case token == "":
		return "", errors.New("the token is empty; " + tokenHint)
	case strings.ContainsFunc(token, invisible):
		return "", errors.New("the token holds blanks, line ends or control characters; " + tokenHint)
	case strings.ContainsFunc(token, notVisible):
		return "", errors.New("the token holds characters that no token has; " + tokenHint)
	}
	return token, nil
}

// cutWord divides text at its first run of blanks.
func cutWord(text string) (first, rest string, found bool) {
	i := strings.IndexFunc(text, invisible)
	if i < 0 {
		return text, "", false
	}
	return text[:i], strings.TrimLeftFunc(text[i:], invisible), true
}

// invisible reports whether r is a blank, a control character or one of those
// without width that come along when a text is copied.
func invisible(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}

// notVisible reports whether r cannot stand in a token or in its word.
func notVisible(r rune) bool { return r <= ' ' || r >= 0x7f }
