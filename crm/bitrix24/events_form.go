package bitrix24

import (
	"bytes"
	"errors"
	"strings"

	"github.com/statuslink/statuslink/crm"
)

// PHP, which the portal is written in, reads no more fields and no deeper ones
// of a form itself.
const (
	maxEventFields = 1000 // max_input_vars
	maxEventDepth  = 64   // max_input_nesting_level
)

// eventForm is what an event says
// (https://apidocs.bitrix24.com/api-reference/events/index.html). All but name
// are parts of the body as they came: see unescaped. Any may be missing.
type eventForm struct {
	name string // never empty; in capitals

	id, entityTypeID, categoryID, stageID []byte // data[FIELDS]

	at []byte // Unix seconds

	memberID, applicationToken []byte
	accessToken, refreshToken  []byte
	expires, expiresIn         []byte
	clientEndpoint             []byte
	serverEndpoint             []byte
	scope, status, userID      []byte
}

// decodeEvent decodes a form as PHP would: brackets may be percent-encoded or
// not, a percent sign that begins no code stands for itself, and the last of
// fields with the same name counts. The result has parts of body.
func decodeEvent(body []byte) (form eventForm, err error) {
	var buffer [64]byte
	var name []byte
	key := buffer[:0]
	for fields := 0; len(body) > 0; {
		var field []byte
		field, body, _ = bytes.Cut(body, []byte{'&'})
		if fields++; fields > maxEventFields {
			return eventForm{}, errors.New("too many fields")
		}
		start, value, _ := bytes.Cut(field, []byte{'='})
		key = appendUnescaped(key[:0], start)
		switch string(key) {
		case "event":
			name = value
		case "ts":
			form.at = value
		case "data[FIELDS][ID]":
			form.id = value
		case "data[FIELDS][ENTITY_TYPE_ID]":
			form.entityTypeID = value
		case "data[FIELDS][CATEGORY_ID]":
			form.categoryID = value
		case "data[FIELDS][STAGE_ID]":
			form.stageID = value
		case "auth[member_id]":
			form.memberID = value
		case "auth[application_token]":
			form.applicationToken = value
		case "auth[access_token]":
			form.accessToken = value
		case "auth[refresh_token]":
			form.refreshToken = value
		case "auth[expires]":
			form.expires = value
		case "auth[expires_in]":
			form.expiresIn = value
		case "auth[scope]":
			form.scope = value
		case "auth[status]":
			form.status = value
		case "auth[client_endpoint]":
			form.clientEndpoint = value
		case "auth[server_endpoint]":
			form.serverEndpoint = value
		case "auth[user_id]":
			form.userID = value
		default:
			if bytes.Count(key, []byte{'['}) > maxEventDepth {
				return eventForm{}, errors.New("a field that is too deep")
			}
		}
	}
	// event.bind takes names in any case, and capitals are what is sent.
	if form.name = strings.ToUpper(crm.CleanName(string(unescaped(name)))); form.name == "" {
		return eventForm{}, errors.New("no event")
	}
	return form, nil
}

// unescaped returns the value without percent codes and plus signs; value itself
// if it has none.
func unescaped(value []byte) []byte {
	if !bytes.ContainsAny(value, "%+") {
		return value
	}
	return appendUnescaped(make([]byte, 0, len(value)), value)
}

func appendUnescaped(to, from []byte) []byte {
	for i := 0; i < len(from); i++ {
		c := from[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			if i+2 < len(from) {
				high, low := hexDigit(from[i+1]), hexDigit(from[i+2])
				if high < 16 && low < 16 {
					c, i = high<<4|low, i+2
				}
			}
		}
		to = append(to, c)
	}
	return to
}

// hexDigit returns the digit's value, or 16 if it is none.
func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 16
}
