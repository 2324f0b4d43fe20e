package umnicotest

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/statuslink/statuslink/crm/crmfault"
)

// RateLimited is a 429 with a Retry-After of whole seconds, or without one if
// wait is 0. No client has reported one from Umnico yet.
func RateLimited(wait time.Duration) crmfault.Fault {
	return crmfault.RetryAfter(http.StatusTooManyRequests, wait)
}

// EmptyList is a 200 with an empty array, whatever the account holds: an error
// upstream that looks like a success.
func EmptyList() crmfault.Fault { return crmfault.Answer(http.StatusOK, "[]") }

// Part is the status list with its first rows only: sound JSON which does not
// show that something is missing.
func Part(rows int) crmfault.Fault {
	return crmfault.Rewrite(func(body []byte) []byte {
		var list []json.RawMessage
		if json.Unmarshal(body, &list) != nil {
			return body // it was no list
		}
		return encode(list[:max(0, min(rows, len(list)))])
	})
}
